#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <torch/types.h>

#include "core/image/picture_warnings.h"
#include "models/deploy/preprocess.h"
#include "train/config/settings.h"

namespace rtdetr {

/// Whether verify= or calibrate= names a data set rather than pictures.
bool is_data_set(const std::string& value);

/// The pictures that such a key names: of a data set those of a split, else as list_pictures has them.
/// @param splits  of which the data set's first counts
/// @throws ConfigError  if there are none; DataError, IoError
std::vector<std::filesystem::path> export_pictures(const Settings& settings, const std::string& key,
                                                   const std::string& value, const std::vector<std::string>& splits);

/// A picture as a model takes it, [1, 3, H, W] on the CPU. @param warnings  gets what its decoder found odd
torch::Tensor read_input(const std::filesystem::path& file, const Settings& settings, const PreprocessOptions& like,
                         PictureWarnings& warnings);

}  // namespace rtdetr
