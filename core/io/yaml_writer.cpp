#include "core/io/yaml_writer.h"

#include <string>
#include <string_view>

namespace rtdetr {
namespace {

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

/// Whether text may stand without quotes anywhere, also between the commas of a flow list. Stricter than YAML: what
/// is quoted without need does no harm.
bool is_safe_plain(const std::string& text) {
  if (text.empty() || text.front() == ' ' || text.back() == ' ') return false;
  if (text == "null" || text == "Null" || text == "NULL") return false;
  const char first = text.front();
  const bool sign_of_number =
      (first == '-' || first == '+') && text.size() > 1 && (is_letter_or_digit(text[1]) || text[1] == '.');
  if (!is_letter_or_digit(first) && first != '_' && first != '.' && first != '/' && !sign_of_number) return false;
  for (const char c : text) {
    const bool beyond_ascii = static_cast<unsigned char>(c) >= 0x80;
    if (!is_letter_or_digit(c) && !beyond_ascii &&
        std::string_view(" _.+-/()*=@^%~").find(c) == std::string_view::npos) {
      return false;
    }
  }
  return text != "..." && text.substr(0, 4) != "... ";
}

std::string quoted_text(const std::string& text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += std::string("\\x") + kHex[byte >> 4] + kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string scalar_text(const std::string& text, bool quoted) {
  return quoted || !is_safe_plain(text) ? quoted_text(text) : text;
}

bool has_nested_items(const YamlNode& node) {
  for (const YamlNode& item : node.items) {
    if (item.is_sequence() || item.is_map()) return true;
  }
  return false;
}

/// A list of rows takes a line per row, a map a line per entry; anything smaller stays on the key's line.
void write_entry(const std::string& key, const YamlNode& value, std::string& out) {
  out += scalar_text(key, false) + ":";
  if (value.is_sequence() && has_nested_items(value)) {
    out += "\n";
    for (const YamlNode& row : value.items) out += "  - " + row.to_flow() + "\n";
  } else if (value.is_map() && !value.entries.empty()) {
    out += "\n";
    for (const auto& [name, inner] : value.entries) {
      out += "  " + scalar_text(name, false) + ": " + inner.to_flow() + "\n";
    }
  } else {
    out.append(" ").append(value.to_flow()).append("\n");
  }
}

}  // namespace

std::string YamlNode::to_flow() const {
  std::string out;
  switch (kind) {
    case Kind::kNull:
      return "null";
    case Kind::kScalar:
      return scalar_text(scalar, quoted);
    case Kind::kSequence:
      for (const YamlNode& item : items) out += (out.empty() ? "" : ", ") + item.to_flow();
      return "[" + out + "]";
    case Kind::kMap:
      for (const auto& [key, value] : entries) {
        out += (out.empty() ? "" : ", ") + scalar_text(key, false) + ": " + value.to_flow();
      }
      return "{" + out + "}";
  }
  return out;
}

std::string write_yaml(const YamlNode& root) {
  std::string out;
  if (root.is_map() && !root.entries.empty()) {
    for (const auto& [key, value] : root.entries) write_entry(key, value, out);
  } else if (root.is_sequence() && !root.items.empty()) {
    for (const YamlNode& item : root.items) out += "- " + item.to_flow() + "\n";
  } else {
    out = root.to_flow() + "\n";
  }
  return out;
}

YamlNode yaml_scalar(const std::string& text, bool quoted) {
  YamlNode node;
  node.kind = YamlNode::Kind::kScalar;
  node.scalar = text;
  node.quoted = quoted;
  return node;
}

}  // namespace rtdetr
