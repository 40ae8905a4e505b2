#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/io/yaml.h"

/// Arguments of a row: `[256, 3, 2]` by position, or the last element a map of named options,
/// `[nc, {queries: 300, points: [4, 4, 4]}]`.
namespace rtdetr {

/// std::monostate is YAML's `None` / `null`.
using ArgumentValue = std::variant<std::monostate, std::int64_t, double, bool, std::string, std::vector<std::int64_t>>;

enum class ArgumentType {
  kInteger,
  kNumber,
  kFlag,        ///< true / false
  kText,        ///< one of `choices`
  kIntegers,    ///< list of integers; a single one stands for a list of one
  kActivation,  ///< true = the model's default, false / None = none, or a name (models/layers/basic.h)
};

/// One argument. Written with the makers below: `integer_argument("k", "kernel size").fallback(1).range(1, 63)`.
/// Without a fallback it is required. `None` asks for the fallback.
struct ArgumentSpec {
  std::string name;
  std::string meaning;
  ArgumentType type = ArgumentType::kInteger;
  std::optional<ArgumentValue> fallback_value;
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  std::vector<std::string> choices;
  std::vector<std::string> other_names;
  bool by_name_only = false;

  ArgumentSpec fallback(ArgumentValue value) &&;
  ArgumentSpec fallback(int value) && { return std::move(*this).fallback(ArgumentValue(std::int64_t{value})); }
  ArgumentSpec fallback(const char* value) && { return std::move(*this).fallback(ArgumentValue(std::string(value))); }
  ArgumentSpec fallback(bool value) && { return std::move(*this).fallback(ArgumentValue(value)); }
  ArgumentSpec fallback(double value) && { return std::move(*this).fallback(ArgumentValue(value)); }
  /// Allowed range of the value (of every element of a list), ends included.
  ArgumentSpec range(double lowest, double highest) &&;
  /// Another name that rows may use in the map.
  ArgumentSpec alias(std::string other) &&;
  /// Not available by position.
  ArgumentSpec named_only() &&;
};

ArgumentSpec integer_argument(std::string name, std::string meaning);
ArgumentSpec number_argument(std::string name, std::string meaning);
ArgumentSpec flag_argument(std::string name, std::string meaning);
ArgumentSpec text_argument(std::string name, std::string meaning, std::vector<std::string> choices);
ArgumentSpec integers_argument(std::string name, std::string meaning);
ArgumentSpec activation_argument(std::string name, std::string meaning);

/// Values by argument name, complete and checked. Asking for a name that was not declared, or as another type, is a
/// fault of ours (InternalError).
class Arguments {
 public:
  std::int64_t integer(const std::string& name) const;
  double number(const std::string& name) const;
  bool flag(const std::string& name) const;
  const std::string& text(const std::string& name) const;  ///< kText; kActivation gives a name or "none"
  const std::vector<std::int64_t>& integers(const std::string& name) const;
  bool is_none(const std::string& name) const;

  void set(const std::string& name, ArgumentValue value);
  /// "[256, 3, 2]": given and default values in declaration order, for the model table.
  std::string to_text() const;

 private:
  struct Item {
    std::string name;
    ArgumentValue value;
  };
  const Item& item(const std::string& name) const;
  std::vector<Item> items_;
};

/// What names in arguments stand for.
struct ArgumentScope {
  std::int64_t num_classes = 0;     ///< `nc`
  std::string activation = "silu";  ///< `True` for an activation
};

/// Checks a row's arguments against their declaration and fills in the fallbacks.
/// @param mistakes  receives what was expected, one line per mistake, without file and row
Arguments parse_arguments(const std::vector<YamlNode>& nodes, const std::vector<ArgumentSpec>& specs,
                          const ArgumentScope& scope, std::vector<std::string>& mistakes);

std::string to_text(const ArgumentValue& value);

/// `nn.ReLU()`, `ReLU`, `relu` → "relu"; nullopt for a name that is not an activation of ours.
std::optional<std::string> parse_activation_name(const std::string& text);

}  // namespace rtdetr
