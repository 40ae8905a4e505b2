#pragma once

#include <string>

#include "train/config/settings.h"

namespace rtdetr {

/// Refuses what people give as data= instead of the YAML that describes a data set: its folder, an annotation file, an
/// archive.
/// @throws ConfigError  what it is, and the YAML if there is one in the folder
void refuse_other_than_yaml(const Settings& settings, const std::string& path);

}  // namespace rtdetr
