#pragma once

#include <string>

#include "models/graph/model.h"
#include "models/weights/pretrained.h"

namespace rtdetr {

/// What weights= did, a row for each part of the model: entries taken over, those of them row by row, those that keep
/// their initial values, and those that are not trained; below it why the others were not taken, how many classes both
/// sides have, and another number of decoder layers. Without a line feed at its end.
/// @param model  as it is trained: frozen parameters want no gradient, and frozen norms keep their statistics
std::string transfer_table(const TransferReport& report, const DetectionModel& model);

}  // namespace rtdetr
