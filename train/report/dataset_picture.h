#pragma once

#include <filesystem>

#include "data/dataset/dataset.h"

namespace rtdetr {

/// labels.jpg: how many boxes each class has, how many boxes the pictures have, where the boxes lie and how large they
/// are, both as shares of their picture.
void write_dataset_picture(const Dataset& dataset, const std::filesystem::path& jpg);

}  // namespace rtdetr
