#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rtdetr {

/// What a file may hold at most, beside 64 levels.
struct YamlBudget {
  std::size_t bytes = std::size_t{1} << 20;
  std::size_t values = 10'000;  ///< keys among them
};

/// One value of a YAML file with the line it stands on. Parsed from yaml-cpp's events under a budget, so neither
/// aliases, nor depth, nor size can hurt; aliases, tags, merge keys and duplicate keys are refused (reliability: I9).
struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMap };

  Kind kind = Kind::kNull;
  std::string scalar;                                     ///< text of a scalar, as written
  bool quoted = false;                                    ///< "..." or '...': always text
  int line = 0;                                           ///< 1-based
  std::vector<YamlNode> items;                            ///< of a sequence
  std::vector<std::pair<std::string, YamlNode>> entries;  ///< of a map, in file order; keys are scalars
  std::vector<int> key_lines;                             ///< of a map: line of each key

  bool is_null() const { return kind == Kind::kNull; }
  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_sequence() const { return kind == Kind::kSequence; }
  bool is_map() const { return kind == Kind::kMap; }

  /// Entry of a map, or nullptr.
  const YamlNode* find(std::string_view key) const;

  /// Scalar conversions; nullopt when the text is not wholly such a value. Plain (unquoted) text only for numbers
  /// and truth values: true/false/True/False. A number with a leading zero such as 010 is refused.
  std::optional<std::int64_t> as_integer() const;
  std::optional<double> as_double() const;
  std::optional<bool> as_bool() const;

  /// "a map", "a list of 3", "'text'": for messages.
  std::string describe() const;
  /// One-line flow form, `[-1, 1, Conv, [256, 1, 1]]`: for messages and the model table.
  std::string to_flow() const;
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

/// Text of a value as YAML (block style at the top, flow style below), reading back to the same tree.
std::string write_yaml(const YamlNode& root);

/// Convenience makers for write_yaml.
YamlNode yaml_scalar(const std::string& text, bool quoted = false);

}  // namespace rtdetr
