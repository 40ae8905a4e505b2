#pragma once

#include <string>

#include "train/config/settings.h"

namespace rtdetr {

/// Looks whether output=, or another key of the kind, can be a new file, before anything slow: its folder is there, it
/// is none, and not what it is made from. A file of that name is replaced, at once and whole, at the end.
/// @param source  of what is written; and "model" or whatever messages call it
/// @throws ConfigError
void require_output_file(const Settings& settings, const std::string& source, const std::string& called);
void require_output_file(const Settings& settings, const std::string& key, const std::string& file,
                         const std::string& source, const std::string& called);

}  // namespace rtdetr
