#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "train/config/command_table.h"
#include "train/config/settings.h"

/// The one table of the program's grammar. Parsing, validation, suggestions, `rtdetr help`, args.yaml and the
/// reference page are all made from it, nothing else lists keys. To add one:
///  1. a field in train/config/settings.h, with its default; a default of one command alone is in command_table.cpp;
///  2. a row in train/config/key_table.cpp, or key_table_training.cpp: commands, meaning, unit, example, range or
///     choices, and what a continued run makes of another value (Key::on_resume);
///  3. what obeys it: a line where settings become the options of a part (train/config/options.cpp, or
///     train/loop/train_options.cpp and experiment.cpp), for other commands than `train` the command's own file;
///  4. docs/reference/commands.md, printed by `rtdetr help reference`; a test compares them.
/// A command is added by one row in train/config/command_table.cpp and one function (train/commands/commands.h).
namespace rtdetr {

/// Where a key's value lives; the alternative is its type.
using KeyField =
    std::variant<bool Settings::*, std::int64_t Settings::*, double Settings::*, std::string Settings::*,
                 ImageSize Settings::*, std::vector<std::int64_t> Settings::*, std::vector<ParamGroupRule> Settings::*>;

struct Key {
  std::string name;
  KeyField field;
  CommandSet commands = 0;
  std::string section;  ///< heading in help
  std::string meaning;  ///< with the unit, and what special values stand for
  std::string unit;     ///< "epochs", "hours", "s", "MiB", … or ""
  std::string example;  ///< a value that can be typed
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool above_low = false;            ///< the lower bound itself is refused
  std::vector<std::string> choices;  ///< of a text; empty = any
  bool is_path = false;              ///< in a recipe relative to the recipe's folder
  /// What a run that is continued makes of another value.
  enum class OnResume {
    kMustMatch,  ///< refuses it: the key enters the run's numbers
    kMayChange,  ///< takes it: the key does not enter them, or only where they end
    kOfOneCall,  ///< takes it, and does not remember it: the key belongs to one call of the program
  } on_resume = OnResume::kMustMatch;
};
/// A key that means different things to two commands has a row for each.
std::span<const Key> all_keys();
/// The first row of that name, or the row of one command; nullptr if there is none.
const Key* find_key(const std::string& name);
const Key* find_key(const std::string& name, Command command);
/// Keys of one command, table order.
std::vector<const Key*> keys_of(Command command);

/// "whole number", "640 or 480,640", "constant | linear | cosine": what a value looks like.
std::string accepted_form(const Key& key);
/// "true", "yes", "on" and "1", or "false", "no", "off" and "0", however they are capitalised.
std::optional<bool> truth_of(std::string text);
/// Reads `text` into the key's field. Returns "" or what is wrong: "must be a whole number of at least 1, have 'abc'".
std::string set_value(const Key& key, const std::string& text, Settings& settings);
/// The field's value as it can be typed; "" for what is not set.
std::string value_text(const Key& key, const Settings& settings);

}  // namespace rtdetr
