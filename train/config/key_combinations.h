#pragma once

#include <string>
#include <vector>

#include "train/config/settings.h"

namespace rtdetr {

/// What is wrong between keys that are each well: the ones that exclude or need each other.
/// @param model_is_runs  model= stands for the YAML in the checkpoint of the run that is continued
std::vector<std::string> wrong_combinations(const Settings& settings, bool model_is_runs);

/// What the name of a file ends in that export writes in this format; of hf, a folder's, it may.
std::string exported_ending(const std::string& format);

}  // namespace rtdetr
