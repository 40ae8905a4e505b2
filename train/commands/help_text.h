#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "train/config/command_table.h"
#include "train/config/keys.h"

/// What `rtdetr help` says of commands and keys, from their tables alone, so that it is told without LibTorch.
namespace rtdetr {

/// All commands, a line and an example each.
std::string help_overview();
/// About a command, a key of some command, or "reference", which is all of them as Markdown; nullopt for another word.
std::optional<std::string> help_of_word(const std::string& word);

/// The settings that a command begins with.
Settings defaults_of(Command command);
/// The value with which each command that has the key begins.
std::vector<std::pair<std::string, std::string>> defaults_of(const Key& key);
/// Keys of that name: one that means different things to two commands has a row for each.
std::vector<const Key*> rows_of(const std::string& name);

}  // namespace rtdetr
