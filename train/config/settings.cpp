#include "train/config/settings.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/yaml.h"
#include "core/io/yaml_writer.h"
#include "train/config/keys.h"

namespace rtdetr {

namespace {

YamlNode param_groups_node(const std::vector<ParamGroupRule>& rules) {
  YamlNode list;
  list.kind = YamlNode::Kind::kSequence;
  for (const ParamGroupRule& rule : rules) {
    YamlNode map;
    map.kind = YamlNode::Kind::kMap;
    map.entries.push_back({"match", yaml_scalar(rule.match, true)});
    map.entries.push_back({"lr_scale", yaml_scalar(format_double(rule.lr_scale))});
    if (rule.weight_decay) map.entries.push_back({"weight_decay", yaml_scalar(format_double(*rule.weight_decay))});
    list.items.push_back(std::move(map));
  }
  return list;
}

/// A list of numbers as a YAML list, text quoted, all else as it is typed.
YamlNode value_node(const Key& key, const Settings& settings) {
  if (std::holds_alternative<std::vector<ParamGroupRule> Settings::*>(key.field))
    return param_groups_node(settings.param_groups);
  const std::string text = value_text(key, settings);
  const bool is_list =
      text.find(',') != std::string::npos && !std::holds_alternative<std::string Settings::*>(key.field);
  if (!is_list) return yaml_scalar(text, std::holds_alternative<std::string Settings::*>(key.field));
  YamlNode list;
  list.kind = YamlNode::Kind::kSequence;
  for (const std::string& item : split(text, ',')) list.items.push_back(yaml_scalar(item));
  return list;
}

/// Words json=… and cfg=…, however they were typed; the others as they are.
std::vector<std::string> plainly_written(std::span<const std::string> arguments) {
  constexpr std::string_view kConfig = "config=";
  std::vector<std::string> words;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string word = arguments[i].substr(std::min(arguments[i].find_first_not_of('-'), arguments[i].size()));
    const bool more = i + 1 < arguments.size();
    if (arguments[i].starts_with("--")) {
      if (word == "json") word += more && truth_of(arguments[i + 1]) ? "=" + arguments[++i] : "=true";
      if ((word == "cfg" || word == "config") && more) word = "cfg=" + arguments[++i];
    }
    if (word.starts_with(kConfig)) word.replace(0, kConfig.size(), "cfg=");
    words.push_back(std::move(word));
  }
  return words;
}

/// The value of a word json=…; nullopt for any other word or value.
std::optional<bool> json_word(std::string_view word) {
  constexpr std::string_view kName = "json=";
  if (!word.starts_with(kName)) return std::nullopt;
  Settings settings;
  if (!set_value(*find_key("json"), std::string(word.substr(kName.size())), settings).empty()) return std::nullopt;
  return settings.json;
}

bool recipe_asks_for_json(std::span<const std::string> arguments) {
  constexpr std::string_view kName = "cfg=";
  for (const std::string_view word : arguments) {
    if (!word.starts_with(kName)) continue;
    try {
      const YamlDocument recipe = load_yaml(word.substr(kName.size()));
      const YamlNode* json = recipe.root.find("json");
      return json && json->as_bool().value_or(false);
    } catch (const Error&) {
      return false;  // it is reported where it is read
    }
  }
  return false;
}

std::int64_t nearest_multiple(std::int64_t value, std::int64_t stride) {
  return std::max(stride, (value + stride / 2) / stride * stride);
}

}  // namespace

std::string Settings::origin_of(const std::string& key) const {
  const auto found = given.find(key);
  return found == given.end() ? "" : " (" + found->second + ")";
}

std::string settings_to_yaml(const Settings& settings) {
  YamlNode root;
  root.kind = YamlNode::Kind::kMap;
  for (const Key* key : keys_of(settings.command)) {
    if (key->name == "cfg") continue;
    if (key->name == "epochs" && settings.time > 0 && !settings.is_given("epochs")) continue;  // it does not count
    const bool is_groups = key->name == "param_groups";
    if (is_groups ? settings.param_groups.empty() : value_text(*key, settings).empty()) continue;
    root.entries.push_back({key->name, value_node(*key, settings)});
  }
  return "# rtdetr " + info_of(settings.command).name + " cfg=<this file>\n" + write_yaml(root);
}

bool asks_for_json(std::span<const std::string> arguments) {
  const std::vector<std::string> words = plainly_written(arguments);
  for (const std::string& word : words)
    if (const auto value = json_word(word)) return *value;
  return recipe_asks_for_json(words);
}

ImageSize resolve_image_size(const Settings& settings, std::optional<ImageSize> of_model, std::int64_t stride,
                             Fit fit) {
  ImageSize size = settings.imgsz;
  if (!size.is_set()) size = of_model && of_model->is_set() ? *of_model : ImageSize{640, 640};
  if (fit == Fit::kKeepRatio || (size.height % stride == 0 && size.width % stride == 0)) return size;
  const auto typed = [](std::int64_t height, std::int64_t width) {
    return height == width ? std::to_string(height) : std::to_string(height) + "," + std::to_string(width);
  };
  throw ConfigError("imgsz=" + typed(size.height, size.width) + settings.origin_of("imgsz") +
                    ": sides must be multiples of this model's stride " + std::to_string(stride) + "; nearest: imgsz=" +
                    typed(nearest_multiple(size.height, stride), nearest_multiple(size.width, stride)));
}

std::vector<std::int64_t> multi_scale_sides(std::int64_t side, double share, std::int64_t stride, std::int64_t repeat) {
  if (share <= 0) return {};
  const double units = static_cast<double>(side) / static_cast<double>(stride);
  const auto first = std::max<std::int64_t>(1, std::llround(units * (1 - share)));
  const auto last = std::llround(units * (1 + share));
  std::vector<std::int64_t> sides;
  for (std::int64_t unit = first; unit <= last; ++unit) {
    const std::int64_t times = unit * stride == side ? repeat : 1;
    sides.insert(sides.end(), static_cast<std::size_t>(times), unit * stride);
  }
  return sides;
}

}  // namespace rtdetr
