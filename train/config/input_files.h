#pragma once

#include "train/config/settings.h"

namespace rtdetr {

/// Looks whether the files and folders that a command is to read are there, before anything slow.
/// @throws ConfigError  naming the key, where it was given, and the nearest name
void require_input_files(const Settings& settings);

/// The same for one of them.
void require_input_file(const Settings& settings, const std::string& key, const std::string& path);

}  // namespace rtdetr
