#include "core/io/yaml_node.h"

#include <limits>

#include "core/base/text.h"
#include "core/io/utf8.h"

namespace rtdetr {
namespace {

/// 0, 12, -3, but not 010: half of the world's YAML readers take that for 8.
bool has_leading_zero(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9';
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const auto& [name, value] : entries) {
    if (name == key) return &value;
  }
  return nullptr;
}

std::optional<std::int64_t> YamlNode::as_integer() const {
  if (!is_scalar() || quoted || has_leading_zero(scalar)) return std::nullopt;
  return parse_integer(scalar);
}

std::optional<double> YamlNode::as_double() const {
  if (!is_scalar() || quoted || has_leading_zero(scalar)) return std::nullopt;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (scalar == ".inf" || scalar == "+.inf") return kInfinity;
  if (scalar == "-.inf") return -kInfinity;
  if (scalar == ".nan") return std::numeric_limits<double>::quiet_NaN();
  if (scalar.find_first_of("0123456789") == std::string::npos) return std::nullopt;  // "inf" and "nan" are text
  return parse_double(scalar);
}

std::optional<bool> YamlNode::as_bool() const {
  if (!is_scalar() || quoted) return std::nullopt;
  if (scalar == "true" || scalar == "True") return true;
  if (scalar == "false" || scalar == "False") return false;
  return std::nullopt;
}

std::string YamlNode::describe() const {
  constexpr std::size_t kShown = 60;
  switch (kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kScalar:
      return "'" + excerpt(scalar, kShown) + "'";
    case Kind::kSequence:
      return items.empty() ? "an empty list" : "a list of " + std::to_string(items.size());
    case Kind::kMap:
      return entries.empty() ? "an empty map" : "a map";
  }
  return "";
}

}  // namespace rtdetr
