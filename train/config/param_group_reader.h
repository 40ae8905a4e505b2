#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/io/yaml.h"
#include "train/config/settings.h"

namespace rtdetr {

/// Reads a recipe's `param_groups`. A group's `lr:` waits until lr0 is known, which the command line may still change.
class ParamGroupReader {
 public:
  /// Adds the groups of `list` to the settings, and to `problems` what is wrong with them, with its file and line.
  void read(const YamlDocument& recipe, const YamlNode& list, Settings& settings, std::vector<std::string>& problems);
  /// Turns each `lr:` into the share of lr0 that it is.
  void settle(Settings& settings) const;

 private:
  std::vector<std::optional<double>> lrs_;  ///< by group
};

}  // namespace rtdetr
