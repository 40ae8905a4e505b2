#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/io/yaml_node.h"

namespace rtdetr {

/// What a file may hold at most, beside 64 levels.
struct YamlBudget {
  std::size_t bytes = std::size_t{1} << 20;
  std::size_t values = 10'000;  ///< keys among them
};

/// A parsed file. `name` is what messages call it.
struct YamlDocument {
  std::string name;
  YamlNode root;

  /// "configs/x.yaml:14"
  std::string where(const YamlNode& node) const { return where(node.line); }
  std::string where(int line) const { return name + ":" + std::to_string(line); }
};

/// @throws ConfigError  with file:line for anything outside the rules above; IoError if it cannot be read
YamlDocument parse_yaml(std::string_view text, const std::string& name, const YamlBudget& budget = {});
YamlDocument load_yaml(const std::filesystem::path& file, const YamlBudget& budget = {});

}  // namespace rtdetr
