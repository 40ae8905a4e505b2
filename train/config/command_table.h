#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "train/config/settings.h"

/// The commands, the defaults that differ between them, and other programs' names for our keys.
namespace rtdetr {

/// Set of commands, one bit each.
using CommandSet = std::uint32_t;
constexpr CommandSet bit(Command command) { return CommandSet{1} << static_cast<unsigned>(command); }

struct CommandInfo {
  Command command = Command::kHelp;
  std::string name;
  std::string summary;                ///< one line
  std::string example;                ///< a line that can be typed
  std::vector<std::string> required;  ///< keys without which the command cannot start
};
std::span<const CommandInfo> all_commands();
const CommandInfo& info_of(Command command);
const CommandInfo* find_command(const std::string& name);

/// Name another program (or a habit) uses for something → what to say. "" if the word is not known.
/// @param command  what is said is no key of other commands alone
std::string foreign_key_hint(const std::string& name, std::optional<Command> command = std::nullopt);
/// What another program has and this one has not, on purpose → why, or what to do instead. "" if there is nothing to
/// say.
std::string absence_reason(const std::string& name);
/// The same of a command or task, and of a value that a key of ours does not take.
std::string foreign_command_answer(const std::string& word);
std::string foreign_value_answer(Command command, const std::string& key, const std::string& value);

/// Sets the defaults that differ from command to command.
void apply_command_defaults(Command command, Settings& settings);

}  // namespace rtdetr
