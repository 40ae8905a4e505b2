#include <algorithm>
#include <cctype>
#include <regex>

#include "core/base/text.h"
#include "models/graph/arguments.h"

/// From the nodes of a row to checked values.
namespace rtdetr {

namespace {

const std::vector<std::string>& activation_names() {
  static const std::vector<std::string> names = {"none", "relu", "silu", "gelu", "leaky_relu", "hardswish"};
  return names;
}

bool is_none(const YamlNode& node) {
  return node.is_null() || (node.is_scalar() && !node.quoted && node.scalar == "None");
}

std::string range_text(const ArgumentSpec& spec) {
  const bool low = std::isfinite(spec.low), high = std::isfinite(spec.high);
  if (low && high) return " from " + format_double(spec.low) + " to " + format_double(spec.high);
  if (low) return " of at least " + format_double(spec.low);
  return high ? " of at most " + format_double(spec.high) : "";
}

std::string expectation(const ArgumentSpec& spec) {
  switch (spec.type) {
    case ArgumentType::kInteger:
      return "an integer" + range_text(spec);
    case ArgumentType::kNumber:
      return "a number" + range_text(spec);
    case ArgumentType::kFlag:
      return "True or False";
    case ArgumentType::kText:
      return "one of " + join(spec.choices, ", ");
    case ArgumentType::kIntegers:
      return "a list of integers" + range_text(spec);
    case ArgumentType::kActivation:
      return "True, False or one of " + join(activation_names(), ", ");
  }
  return "";
}

bool in_range(const ArgumentSpec& spec, double value) { return value >= spec.low && value <= spec.high; }

std::optional<std::int64_t> read_integer(const YamlNode& node, const ArgumentSpec& spec, const ArgumentScope& scope) {
  const std::optional<std::int64_t> value =
      node.is_scalar() && !node.quoted && node.scalar == "nc" ? scope.num_classes : node.as_integer();
  return value && in_range(spec, static_cast<double>(*value)) ? value : std::nullopt;
}

std::optional<ArgumentValue> read_integers(const YamlNode& node, const ArgumentSpec& spec, const ArgumentScope& scope) {
  std::vector<std::int64_t> values;
  const auto read_one = [&](const YamlNode& item) {
    const auto value = read_integer(item, spec, scope);
    if (value) values.push_back(*value);
    return value.has_value();
  };
  if (!node.is_sequence()) return read_one(node) ? std::optional<ArgumentValue>(values) : std::nullopt;
  return !node.items.empty() && std::all_of(node.items.begin(), node.items.end(), read_one)
             ? std::optional<ArgumentValue>(values)
             : std::nullopt;
}

constexpr std::size_t kLongestCall = 60;

/// `nn.ReLU()`, `nn.ReLU(inplace=True)` and `relu` are the same.
std::string plain_activation_name(std::string text) {
  if (text.starts_with("torch.")) text.erase(0, 6);
  if (text.starts_with("nn.")) {
    text.erase(0, 3);
    static const std::regex kPlainCall(R"((\w+)(\( *(inplace *= *(True|False))? *\))?)");
    std::smatch call;
    if (text.size() > kLongestCall || !std::regex_match(text, call, kPlainCall)) return "";  // of other arguments
    text = call[1].str();
    if (text == "Identity") return "none";
    if (text == "LeakyReLU") return "leaky_relu";
  }
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::optional<ArgumentValue> read_activation(const YamlNode& node, const ArgumentScope& scope) {
  if (is_none(node)) return "none";
  if (const auto flag = node.as_bool()) return *flag ? scope.activation : "none";
  const auto name = node.is_scalar() ? parse_activation_name(node.scalar) : std::nullopt;
  return name ? std::optional<ArgumentValue>(*name) : std::nullopt;
}

std::optional<ArgumentValue> read_value(const YamlNode& node, const ArgumentSpec& spec, const ArgumentScope& scope) {
  const auto wrap = [](auto value) { return value ? std::optional<ArgumentValue>(*value) : std::nullopt; };
  switch (spec.type) {
    case ArgumentType::kInteger:
      return wrap(read_integer(node, spec, scope));
    case ArgumentType::kNumber: {
      const auto value = node.as_double();
      return value && in_range(spec, *value) ? wrap(value) : std::nullopt;
    }
    case ArgumentType::kFlag:
      return wrap(node.as_bool());
    case ArgumentType::kText:
      if (!node.is_scalar() || std::ranges::find(spec.choices, node.scalar) == spec.choices.end()) return std::nullopt;
      return node.scalar;
    case ArgumentType::kIntegers:
      return read_integers(node, spec, scope);
    case ArgumentType::kActivation:
      return read_activation(node, scope);
  }
  return std::nullopt;
}

/// One row's arguments on their way from nodes to values.
class Reader {
 public:
  Reader(const std::vector<ArgumentSpec>& specs, const ArgumentScope& scope, std::vector<std::string>& mistakes)
      : specs_(specs), scope_(scope), mistakes_(mistakes), nodes_(specs.size(), nullptr) {}

  void assign_by_position(const std::vector<YamlNode>& nodes, std::size_t count) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < specs_.size(); ++i) {
      if (specs_[i].by_name_only) continue;
      if (names.size() < count) nodes_[i] = &nodes[names.size()];
      names.push_back(specs_[i].name);
    }
    if (count > names.size()) {
      mistakes_.push_back("expected at most " + std::to_string(names.size()) + " arguments (" + join(names, ", ") +
                          "), found " + std::to_string(count));
    }
  }

  void assign_by_name(const YamlNode& map) {
    for (const auto& [key, node] : map.entries) {
      const std::optional<std::size_t> index = find(key);
      if (!index) {
        mistakes_.push_back("unknown option '" + key + "'" + did_you_mean(key, option_names()));
      } else if (nodes_[*index]) {
        mistakes_.push_back("argument '" + specs_[*index].name + "' is given twice");
      } else {
        nodes_[*index] = &node;
      }
    }
  }

  Arguments read() {
    Arguments arguments;
    for (std::size_t i = 0; i < specs_.size(); ++i) arguments.set(specs_[i].name, value_of(i));
    return arguments;
  }

 private:
  ArgumentValue value_of(std::size_t i) {
    const ArgumentSpec& spec = specs_[i];
    const YamlNode* node = nodes_[i];
    const bool none = !node || (is_none(*node) && spec.type != ArgumentType::kActivation);
    if (none && spec.fallback_value) {
      const bool model_default = spec.type == ArgumentType::kActivation && *spec.fallback_value == ArgumentValue(true);
      return model_default ? ArgumentValue(scope_.activation) : *spec.fallback_value;
    }
    if (!node) {
      mistakes_.push_back("argument '" + spec.name + "' (" + spec.meaning + ") is missing: expected " +
                          expectation(spec));
      return placeholder(spec);
    }
    if (const auto value = read_value(*node, spec, scope_)) return *value;
    mistakes_.push_back("argument '" + spec.name + "' (" + spec.meaning + "): expected " + expectation(spec) +
                        ", found " + node->describe());
    return placeholder(spec);
  }

  /// Stands in for a refused value until all mistakes are shown.
  static ArgumentValue placeholder(const ArgumentSpec& spec) {
    switch (spec.type) {
      case ArgumentType::kInteger:
        return std::int64_t{1};
      case ArgumentType::kNumber:
        return 1.0;
      case ArgumentType::kFlag:
        return false;
      case ArgumentType::kText:
        return spec.choices.front();
      case ArgumentType::kIntegers:
        return std::vector<std::int64_t>{1};
      case ArgumentType::kActivation:
        return std::string("none");
    }
    return std::monostate{};
  }

  std::optional<std::size_t> find(const std::string& key) const {
    for (std::size_t i = 0; i < specs_.size(); ++i) {
      const auto& others = specs_[i].other_names;
      if (specs_[i].name == key || std::ranges::find(others, key) != others.end()) return i;
    }
    return std::nullopt;
  }

  std::vector<std::string> option_names() const {
    std::vector<std::string> names;
    for (const ArgumentSpec& spec : specs_) {
      names.push_back(spec.name);
      names.insert(names.end(), spec.other_names.begin(), spec.other_names.end());
    }
    return names;
  }

  const std::vector<ArgumentSpec>& specs_;
  const ArgumentScope& scope_;
  std::vector<std::string>& mistakes_;
  std::vector<const YamlNode*> nodes_;
};

}  // namespace

std::optional<std::string> parse_activation_name(const std::string& text) {
  const std::string name = plain_activation_name(text);
  const auto& known = activation_names();
  return std::ranges::find(known, name) != known.end() ? std::optional(name) : std::nullopt;
}

Arguments parse_arguments(const std::vector<YamlNode>& nodes, const std::vector<ArgumentSpec>& specs,
                          const ArgumentScope& scope, std::vector<std::string>& mistakes) {
  Reader reader(specs, scope, mistakes);
  const bool has_map = !nodes.empty() && nodes.back().is_map();
  reader.assign_by_position(nodes, nodes.size() - (has_map ? 1 : 0));
  if (has_map) reader.assign_by_name(nodes.back());
  return reader.read();
}

}  // namespace rtdetr
