#include "models/graph/arguments.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/base/text.h"

namespace rtdetr {

namespace {

ArgumentSpec make_spec(std::string name, std::string meaning, ArgumentType type) {
  ArgumentSpec spec;
  spec.name = std::move(name);
  spec.meaning = std::move(meaning);
  spec.type = type;
  return spec;
}

template <typename T>
const T& get(const ArgumentValue& value, const std::string& name) {
  const T* found = std::get_if<T>(&value);
  RTDETR_CHECK(found, "argument '" + name + "' is " + to_text(value) + ", asked for as another type");
  return *found;
}

}  // namespace

ArgumentSpec ArgumentSpec::fallback(ArgumentValue value) && {
  fallback_value = std::move(value);
  return std::move(*this);
}

ArgumentSpec ArgumentSpec::range(double lowest, double highest) && {
  low = lowest;
  high = highest;
  return std::move(*this);
}

ArgumentSpec ArgumentSpec::alias(std::string other) && {
  other_names.push_back(std::move(other));
  return std::move(*this);
}

ArgumentSpec ArgumentSpec::named_only() && {
  by_name_only = true;
  return std::move(*this);
}

ArgumentSpec integer_argument(std::string name, std::string meaning) {
  return make_spec(std::move(name), std::move(meaning), ArgumentType::kInteger);
}
ArgumentSpec number_argument(std::string name, std::string meaning) {
  return make_spec(std::move(name), std::move(meaning), ArgumentType::kNumber);
}
ArgumentSpec flag_argument(std::string name, std::string meaning) {
  return make_spec(std::move(name), std::move(meaning), ArgumentType::kFlag);
}
ArgumentSpec text_argument(std::string name, std::string meaning, std::vector<std::string> choices) {
  ArgumentSpec spec = make_spec(std::move(name), std::move(meaning), ArgumentType::kText);
  spec.choices = std::move(choices);
  return spec;
}
ArgumentSpec integers_argument(std::string name, std::string meaning) {
  return make_spec(std::move(name), std::move(meaning), ArgumentType::kIntegers);
}
ArgumentSpec activation_argument(std::string name, std::string meaning) {
  return make_spec(std::move(name), std::move(meaning), ArgumentType::kActivation);
}

const Arguments::Item& Arguments::item(const std::string& name) const {
  const auto found = std::ranges::find(items_, name, &Item::name);
  RTDETR_CHECK(found != items_.end(), "no argument '" + name + "' was declared");
  return *found;
}

std::int64_t Arguments::integer(const std::string& name) const { return get<std::int64_t>(item(name).value, name); }
double Arguments::number(const std::string& name) const {
  const ArgumentValue& value = item(name).value;
  const std::int64_t* integer = std::get_if<std::int64_t>(&value);
  return integer ? static_cast<double>(*integer) : get<double>(value, name);
}
bool Arguments::flag(const std::string& name) const { return get<bool>(item(name).value, name); }
const std::string& Arguments::text(const std::string& name) const { return get<std::string>(item(name).value, name); }
const std::vector<std::int64_t>& Arguments::integers(const std::string& name) const {
  return get<std::vector<std::int64_t>>(item(name).value, name);
}
bool Arguments::is_none(const std::string& name) const {
  return std::holds_alternative<std::monostate>(item(name).value);
}

void Arguments::set(const std::string& name, ArgumentValue value) {
  const auto found = std::ranges::find(items_, name, &Item::name);
  if (found == items_.end()) {
    items_.push_back({name, std::move(value)});
  } else {
    *found = {name, std::move(value)};
  }
}

std::string Arguments::to_text() const {
  std::vector<std::string> parts;
  for (const Item& item : items_) parts.push_back(rtdetr::to_text(item.value));
  return "[" + join(parts, ", ") + "]";
}

std::string to_text(const ArgumentValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* number = std::get_if<double>(&value)) return format_double(*number);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "True" : "False";
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* list = std::get_if<std::vector<std::int64_t>>(&value)) {
    std::vector<std::string> parts;
    for (const std::int64_t item : *list) parts.push_back(std::to_string(item));
    return "[" + join(parts, ", ") + "]";
  }
  return "None";
}

}  // namespace rtdetr
