#include "train/config/key_meaning.h"

#include <algorithm>

#include "core/base/text.h"

namespace rtdetr {
namespace {

/// The commands that a text begins with, as in "val, predict: …"; none where it begins with other words.
CommandSet addressed(const std::string& text) {
  CommandSet commands = 0;
  for (const std::string& name : split(text.substr(0, text.find(": ")), ',')) {
    const CommandInfo* info = find_command(std::string(trim(name)));
    if (!info) return 0;
    commands |= bit(info->command);
  }
  return commands;
}

/// Where the next clause begins, the end of the text if there is none.
std::size_t next_clause(const std::string& text, std::size_t from) {
  const std::size_t at = std::min(text.find("; ", from), text.find(". ", from));
  return at == std::string::npos ? text.size() : at + 2;
}

}  // namespace

std::string meaning_for(const Key& key, Command command) {
  std::string text;
  bool is_told = true;
  for (std::size_t at = 0, end = 0; at < key.meaning.size(); at = end) {
    end = next_clause(key.meaning, at);
    const std::string clause = key.meaning.substr(at, end - at);
    if (const CommandSet commands = addressed(clause)) is_told = commands & bit(command);
    if (is_told) text += clause;
  }
  return text.substr(0, text.find_last_not_of("; .") + 1);
}

}  // namespace rtdetr
