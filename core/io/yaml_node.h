#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rtdetr {

/// One value of a YAML file with the line it stands on. Parsed from yaml-cpp's events under a budget, so neither
/// aliases, nor depth, nor size can hurt; aliases, tags, merge keys and duplicate keys are refused.
struct YamlNode {
  struct Entry;
  enum class Kind { kNull, kScalar, kSequence, kMap };

  Kind kind = Kind::kNull;
  std::string scalar;           ///< text of a scalar, as written
  bool quoted = false;          ///< "..." or '...': always text
  int line = 0;                 ///< 1-based
  std::vector<YamlNode> items;  ///< of a sequence
  std::vector<Entry> entries;   ///< of a map, in file order; keys are scalars
  std::vector<int> key_lines;   ///< of a map: line of each key

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

struct YamlNode::Entry {
  std::string key;
  YamlNode value;
};

}  // namespace rtdetr
