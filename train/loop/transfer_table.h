#pragma once

#include <string>

#include "models/graph/model.h"
#include "models/weights/pretrained.h"

namespace rtdetr {

/// What weights= did, a row for each part of the model: entries taken over, those of them row by row, those that keep
/// their initial values, and those that are not trained; below it why the others were not taken, and another number of
/// decoder layers. With a line feed after every line.
/// @param model  as it is trained: frozen parameters want no gradient
std::string transfer_table(const TransferReport& report, const DetectionModel& model);

}  // namespace rtdetr
