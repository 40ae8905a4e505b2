#include "core/io/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <system_error>
#include <unordered_set>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/file.h"
#include "core/io/utf8.h"

namespace rtdetr {
namespace {

constexpr std::size_t kMostLevels = 64;

/// Builds the tree from yaml-cpp's events. A stack holds the open lists and maps, so nothing here recurses, and every
/// budget is checked before the tree grows.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, const std::string& name, std::size_t most_values)
      : text_(text), name_(name), most_values_(most_values) {}

  YamlNode take_root() { return std::move(root_); }

  [[noreturn]] void refuse(int line, const std::string& message) const {
    throw ConfigError(name_ + ":" + std::to_string(line) + ": " + message);
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) refuse(line_of(mark), "a second document starts here; a file holds one");
  }
  void OnDocumentEnd() override {}

  void OnAnchor(const YAML::Mark& mark, const std::string& anchor) override {
    refuse(line_of(mark), "anchor '&" + anchor + "': anchors and aliases are not accepted; write the value out");
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(line_of(mark), "anchors and aliases are not accepted; write the value out");
  }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    if (wants_key()) refuse(line_of(mark), "a key is missing");
    YamlNode node;
    node.line = line_of(mark);
    if (in_map()) {
      const OpenNode& map = open_.back();
      node.line = map.node.key_lines.back();
      if (!has_colon_between(map.key_position, mark.pos)) {  // yaml-cpp lets a key go without it
        refuse(node.line, "key '" + map.node.entries.back().key + "' lacks its ': ' and value");
      }
    }
    add(std::move(node));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, const std::string& value) override {
    const int line = line_of(mark);
    const bool quoted = tag == "!";  // yaml-cpp's word for "not plain"; "?" is plain
    if ((!quoted && !tag.empty() && tag != "?") || (quoted && starts_with_tag(mark))) refuse_tag(line);
    if (wants_key()) return add_key(mark, value);
    YamlNode node;
    node.kind = YamlNode::Kind::kScalar;
    node.scalar = value;
    node.quoted = quoted;
    node.line = line;
    add(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::kSequence, line_of(mark), tag);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::kMap, line_of(mark), tag);
  }
  void OnMapEnd() override { close(); }

 private:
  struct OpenNode {
    YamlNode node;
    std::unordered_set<std::string> keys;
    bool has_key = false;   // a key waits for its value
    int key_position = -1;  // of that key, in the text
  };

  static int line_of(const YAML::Mark& mark) { return mark.is_null() ? 1 : mark.line + 1; }
  bool in_map() const { return !open_.empty() && open_.back().node.is_map(); }
  bool wants_key() const { return in_map() && !open_.back().has_key; }

  bool starts_with_tag(const YAML::Mark& mark) const {
    return mark.pos >= 0 && static_cast<std::size_t>(mark.pos) < text_.size() && text_[mark.pos] == '!';
  }
  [[noreturn]] void refuse_tag(int line) const { refuse(line, "tags (!name) are not accepted; write the plain value"); }

  /// Whether a colon that ends a key stands in this part of the text.
  bool has_colon_between(int begin, int end) const {
    if (begin < 0 || end <= begin) return false;
    const std::string_view part = text_.substr(std::min<std::size_t>(begin, text_.size()), end - begin);
    for (std::size_t at = part.find(':'); at != std::string_view::npos; at = part.find(':', at + 1)) {
      if (at + 1 == part.size() || std::string_view(" \t\r\n").find(part[at + 1]) != std::string_view::npos)
        return true;
    }
    return false;
  }

  void add_key(const YAML::Mark& mark, const std::string& key) {
    const int line = line_of(mark);
    if (key == "<<") refuse(line, "merge keys (<<) are not accepted; write the entries out");
    count_node(line);
    OpenNode& map = open_.back();
    if (!map.keys.insert(key).second) {
      int first = line;
      for (std::size_t i = 0; i < map.node.entries.size(); ++i) {
        if (map.node.entries[i].key == key) first = map.node.key_lines[i];
      }
      refuse(line, "key '" + key + "' is there twice; first on line " + std::to_string(first));
    }
    map.node.entries.push_back({key, YamlNode()});
    map.node.key_lines.push_back(line);
    map.has_key = true;
    map.key_position = mark.pos;
  }

  void count_node(int line) {
    if (++nodes_ <= most_values_) return;
    refuse(line, "more than " + with_thousands(static_cast<long long>(most_values_)) + " values");
  }

  void add(YamlNode node) {
    count_node(node.line);
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (in_map()) {
      open_.back().node.entries.back().value = std::move(node);
      open_.back().has_key = false;
    } else {
      open_.back().node.items.push_back(std::move(node));
    }
  }

  void open(YamlNode::Kind kind, int line, const std::string& tag) {
    if (!tag.empty() && tag != "?") refuse_tag(line);
    if (wants_key()) refuse(line, "a list or a map stands where a key belongs; is a bracket left open?");
    if (open_.size() >= kMostLevels) refuse(line, "nested more than " + std::to_string(kMostLevels) + " levels deep");
    open_.emplace_back();
    open_.back().node.kind = kind;
    open_.back().node.line = line;
  }

  void close() {
    YamlNode node = std::move(open_.back().node);
    open_.pop_back();
    add(std::move(node));
  }

  std::string_view text_;
  const std::string& name_;
  const std::size_t most_values_;
  YamlNode root_;
  std::vector<OpenNode> open_;
  std::size_t nodes_ = 0;
  int documents_ = 0;
};

/// Position of the first byte that is no part of well-formed UTF-8, or is a control character YAML does not allow; npos
/// if there is none.
std::size_t find_bad_byte(std::string_view text) {
  const std::size_t sound = utf8_length(text);
  const auto is_control = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f;
  };
  const auto control = std::find_if(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(sound), is_control);
  const auto bad = static_cast<std::size_t>(control - text.begin());
  return bad == text.size() ? std::string_view::npos : bad;
}

int line_at(std::string_view text, std::size_t position) {
  int line = 1;
  for (std::size_t i = 0; i < position; ++i) line += text[i] == '\n';
  return line;
}

/// Whether a line starting with '%' stands before anything but comments and empty lines.
bool has_directive(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with('%')) return true;
    const std::string_view content = trim(line);
    if (!content.empty() && !content.starts_with('#')) return false;
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return false;
}

/// Two slips of hand that yaml-cpp reports by what they lead to, often a line too late; "" if there is neither.
std::string likely_slip(std::string_view text) {
  int number = 0;
  for (const std::string& line : split(text, '\n')) {
    ++number;
    const std::string_view content = trim(line);
    if (content.empty() || content.starts_with('#')) continue;
    const std::string_view indent = std::string_view(line).substr(0, line.find_first_not_of(" \t"));
    if (indent.find('\t') != std::string_view::npos) {
      return "; line " + std::to_string(number) + " is indented with a tab, YAML wants blanks";
    }
    const auto end = content.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    if (end == std::string_view::npos || end == 0 || content[end] != ':' || end + 1 == content.size()) continue;
    if (content[end + 1] != ' ' && content[end + 1] != '\t') {
      return "; on line " + std::to_string(number) + " '" + std::string(content.substr(0, end)) +
             ":' lacks a blank behind it";
    }
  }
  return "";
}

[[noreturn]] void refuse_size(const std::string& name, const YamlBudget& budget) {
  throw ConfigError(name + ":1: larger than " + std::to_string(budget.bytes >> 20) + " MiB");
}

}  // namespace

YamlDocument parse_yaml(std::string_view text, const std::string& name, const YamlBudget& budget) {
  text = without_byte_order_mark(text);
  TreeBuilder builder(text, name, budget.values);
  if (text.size() > budget.bytes) refuse_size(name, budget);
  if (const std::string_view encoding = wide_encoding(text); !encoding.empty()) {
    builder.refuse(1, wide_encoding_hint(encoding));
  }
  if (const std::size_t bad = find_bad_byte(text); bad != std::string_view::npos) {
    builder.refuse(line_at(text, bad), "a byte that is not UTF-8 text; save the file as UTF-8");
  }
  if (has_directive(text)) builder.refuse(1, "directives (%NAME) are not accepted");
  // With an end marker behind it, a quote that is never closed is an error and not a text up to the end.
  std::istringstream stream{std::string(text) + "\n...\n"};
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& fault) {
    builder.refuse(fault.mark.is_null() ? 1 : fault.mark.line + 1, "not valid YAML: " + fault.msg + likely_slip(text));
  }
  return {name, builder.take_root()};
}

YamlDocument load_yaml(const std::filesystem::path& file, const YamlBudget& budget) {
  std::error_code ignored;
  const std::uintmax_t size = std::filesystem::file_size(file, ignored);
  if (!ignored && size > budget.bytes) refuse_size(file.string(), budget);
  return parse_yaml(read_text_file(file, budget.bytes), file.string(), budget);
}

}  // namespace rtdetr
