#include "train/config/keys.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/yaml.h"
#include "core/io/yaml_writer.h"

namespace rtdetr {

namespace {

/// "whole number of at least 1", "number from 0 to 1", "number above 0".
std::string numeric_form(const Key& key, const std::string& noun) {
  const bool has_low = std::isfinite(key.low);
  const bool has_high = std::isfinite(key.high) && key.high < 1e6;
  std::string form = noun;
  if (has_low && key.above_low)
    form += " above " + format_double(key.low) + (has_high ? " and at most " + format_double(key.high) : "");
  else if (has_low && has_high)
    form += " from " + format_double(key.low) + " to " + format_double(key.high);
  else if (has_low)
    form += " of at least " + format_double(key.low);
  return form;
}

bool in_range(const Key& key, double value) {
  return std::isfinite(value) && value <= key.high && (key.above_low ? value > key.low : value >= key.low);
}

std::optional<std::int64_t> read_integer(const Key& key, std::string_view text) {
  const std::optional<std::int64_t> value = yaml_scalar(std::string(trim(text))).as_integer();
  if (!value || !in_range(key, static_cast<double>(*value))) return std::nullopt;
  return value;
}

/// Entries of "1,2,3" or "[1, 2, 3]"; an empty list is "[]".
std::vector<std::string> list_items(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') text = trim(text.substr(1, text.size() - 2));
  if (text.empty()) return {};
  return split(text, ',');
}

bool read(const Key&, const std::string& text, bool& out) {
  const std::optional<bool> value = truth_of(text);
  if (value) out = *value;
  return value.has_value();
}

bool read(const Key& key, const std::string& text, std::int64_t& out) {
  const auto value = read_integer(key, text);
  if (value) out = *value;
  return value.has_value();
}

bool read(const Key& key, const std::string& text, double& out) {
  const std::optional<double> value = yaml_scalar(text).as_double();
  if (!value || !in_range(key, *value)) return false;
  out = *value;
  return true;
}

bool read(const Key& key, const std::string& text, std::string& out) {
  if (!key.choices.empty() && std::find(key.choices.begin(), key.choices.end(), text) == key.choices.end())
    return false;
  out = text;
  return !text.empty();
}

bool read(const Key& key, const std::string& text, ImageSize& out) {
  const std::vector<std::string> sides = list_items(text);
  if (sides.empty() || sides.size() > 2) return false;
  const auto height = read_integer(key, sides.front());
  const auto width = read_integer(key, sides.back());
  if (!height || !width) return false;
  out = ImageSize{*height, *width};
  return true;
}

bool read(const Key& key, const std::string& text, std::vector<std::int64_t>& out) {
  std::vector<std::int64_t> values;
  for (const std::string& item : list_items(text)) {
    const auto value = read_integer(key, item);
    if (!value) return false;
    values.push_back(*value);
  }
  out = std::move(values);
  return true;
}

/// Filled from a recipe's YAML alone (settings_parser.cpp).
bool read(const Key&, const std::string&, std::vector<ParamGroupRule>&) { return false; }

std::string text_of(bool value) { return value ? "true" : "false"; }
std::string text_of(std::int64_t value) { return std::to_string(value); }
std::string text_of(double value) { return format_double(value); }
std::string text_of(const std::string& value) { return value; }
std::string text_of(const ImageSize& value) {
  if (!value.is_set()) return "";
  if (value.height == value.width) return std::to_string(value.height);
  return std::to_string(value.height) + "," + std::to_string(value.width);
}
std::string text_of(const std::vector<std::int64_t>& values) {
  std::vector<std::string> items;
  for (std::int64_t value : values) items.push_back(std::to_string(value));
  return join(items, ",");
}
std::string text_of(const std::vector<ParamGroupRule>&) { return ""; }

}  // namespace

const Key* find_key(const std::string& name) {
  for (const Key& key : all_keys())
    if (key.name == name) return &key;
  return nullptr;
}

const Key* find_key(const std::string& name, Command command) {
  for (const Key& key : all_keys())
    if (key.name == name && (key.commands & bit(command))) return &key;
  return nullptr;
}

std::vector<const Key*> keys_of(Command command) {
  std::vector<const Key*> keys;
  for (const Key& key : all_keys())
    if (key.commands & bit(command)) keys.push_back(&key);
  return keys;
}

std::string accepted_form(const Key& key) {
  struct Form {
    const Key& key;
    std::string operator()(bool Settings::*) const { return "true or false"; }
    std::string operator()(std::int64_t Settings::*) const { return numeric_form(key, "a whole number"); }
    std::string operator()(double Settings::*) const { return numeric_form(key, "a number"); }
    std::string operator()(std::string Settings::*) const {
      if (key.choices.empty()) return key.is_path ? "a path" : "a word";
      return (key.choices.size() > 1 ? "one of " : "") + join(key.choices, ", ");
    }
    std::string operator()(ImageSize Settings::*) const {
      return "one side or height,width in " + key.unit + ", at least " + format_double(key.low);
    }
    std::string operator()(std::vector<std::int64_t> Settings::*) const {
      return "whole numbers of at least " + format_double(key.low) + " with commas between";
    }
    std::string operator()(std::vector<ParamGroupRule> Settings::*) const { return "a list of maps, in a recipe"; }
  };
  return std::visit(Form{key}, key.field);
}

std::optional<bool> truth_of(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  if (text == "true" || text == "yes" || text == "on" || text == "1") return true;
  if (text == "false" || text == "no" || text == "off" || text == "0") return false;
  return std::nullopt;
}

std::string set_value(const Key& key, const std::string& text, Settings& settings) {
  const bool ok = std::visit([&](auto field) { return read(key, text, settings.*field); }, key.field);
  if (ok) return "";
  std::string problem = key.name + " must be " + accepted_form(key);
  problem += text.empty() ? ", and has no value" : ", not '" + text + "'";
  if (!key.choices.empty()) return problem + did_you_mean(text, key.choices);
  const bool numeric = !text.empty() && std::isdigit(static_cast<unsigned char>(text.front())) != 0;
  if (numeric && !key.unit.empty()) problem += "; it counts " + key.unit;
  return problem + "; e.g. " + key.name + "=" + key.example;
}

std::string value_text(const Key& key, const Settings& settings) {
  return std::visit([&](auto field) { return text_of(settings.*field); }, key.field);
}

}  // namespace rtdetr
