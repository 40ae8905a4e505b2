#include "train/commands/help_text.h"

#include <algorithm>

#include "core/base/text.h"
#include "train/config/completion.h"
#include "train/config/key_meaning.h"
#include "train/config/licences_text.h"
#include "train/config/manual_page.h"
#include "train/config/reference_page.h"
#include "train/report/text_layout.h"

namespace rtdetr {

namespace {

/// Help is not wider than this on any terminal: long lines are hard to read.
std::size_t help_width() { return std::min<std::size_t>(output_width(), 110); }

/// Meaning, unit, and what is accepted where the default does not show it.
std::string description(const Key& key, Command command) {
  const std::string text = meaning_for(key, command);
  const bool shows_itself = key.is_path || std::holds_alternative<bool Settings::*>(key.field) ||
                            (std::holds_alternative<std::string Settings::*>(key.field) && key.choices.empty());
  std::vector<std::string> notes;
  if (!key.unit.empty()) notes.push_back(key.unit);
  if (!shows_itself) notes.push_back(accepted_form(key));
  return notes.empty() ? text : text + " [" + join(notes, "; ") + "]";
}

std::string command_help(const CommandInfo& info) {
  const Settings defaults = defaults_of(info.command);
  const std::vector<const Key*> keys = keys_of(info.command);
  std::size_t name_width = 0, value_width = 7;
  for (const Key* key : keys) {
    name_width = std::max(name_width, key->name.size());
    value_width = std::max(value_width, value_text(*key, defaults).size());
  }
  std::string text = "rtdetr " + info.name + ": " + info.summary + "\n\n  " + info.example + "\n";
  std::string section;
  for (const Key* key : keys) {
    if (key->section != section) text += "\n" + key->section + "\n";
    section = key->section;
    const bool required = std::find(info.required.begin(), info.required.end(), key->name) != info.required.end();
    const std::string value = required ? "needed" : value_text(*key, defaults);
    const std::string head = "  " + key->name + std::string(name_width - key->name.size() + 2, ' ') + value +
                             std::string(value_width - value.size() + 2, ' ');
    text += head + wrapped(description(*key, info.command), head.size(), help_width()) + "\n";
  }
  return text;
}

std::string key_help(const Key& key) {
  std::string text = wrapped(key.name + ": " + key.meaning, 2, help_width()) + "\n\n  accepts   " +
                     wrapped(accepted_form(key), 12, help_width()) + "\n";
  if (!key.unit.empty()) text += "  unit      " + key.unit + "\n";
  text += "  example   " + key.name + "=" + key.example + "\n  defaults  ";
  std::vector<std::string> defaults;
  for (const auto& [command, value] : defaults_of(key))
    defaults.push_back(command + ": " + (value.empty() ? "not set" : value));
  return text + wrapped(join(defaults, ", "), 12, help_width()) + "\n";
}

std::string completion_help() {
  return "rtdetr completion SHELL: a script for completing commands, keys and values\n\n"
         "  bash  source <(rtdetr completion bash), in ~/.bashrc\n"
         "  zsh   source <(rtdetr completion zsh), in ~/.zshrc after compinit\n"
         "  fish  rtdetr completion fish > ~/.config/fish/completions/rtdetr.fish\n\n"
         "An installation has them where these shells look. What a version's keys are is in\n"
         "the script; the names of models, recipes and data sets are asked of the program.\n";
}

}  // namespace

Settings defaults_of(Command command) {
  Settings settings;
  apply_command_defaults(command, settings);
  return settings;
}

std::vector<std::pair<std::string, std::string>> defaults_of(const Key& key) {
  std::vector<std::pair<std::string, std::string>> defaults;
  for (const CommandInfo& info : all_commands())
    if (key.commands & bit(info.command)) defaults.emplace_back(info.name, value_text(key, defaults_of(info.command)));
  return defaults;
}

std::vector<const Key*> rows_of(const std::string& name) {
  std::vector<const Key*> rows;
  for (const Key& key : all_keys())
    if (key.name == name) rows.push_back(&key);
  return rows;
}

std::string help_overview() {
  std::string text =
      "rtdetr: RT-DETR detectors, from a YAML file to a trained and exported model\n\n"
      "  rtdetr COMMAND key=value …        defaults < cfg=FILE.yaml < command line\n\ncommands\n";
  for (const CommandInfo& info : all_commands()) {
    text += "  " + info.name + std::string(11 - info.name.size(), ' ') + info.summary + "\n";
    text += "    " + info.example + "\n";
  }
  return text +
         "\n'rtdetr help COMMAND' lists a command's keys, 'rtdetr help KEY' explains one,\n"
         "'rtdetr help models' lists the modules of model YAMLs,\n"
         "'rtdetr help reference' everything as Markdown, 'rtdetr help man' for man,\n"
         "'rtdetr completion bash' (zsh, fish) completes commands and keys in that shell,\n"
         "'rtdetr licences' has the licences of all that it is made with.\n"
         "json=true on any command: stdout is one JSON document.\n"
         "exit codes: 0 ok, 2 usage, 3 data, 4 model file, 5 I/O, 6 diverged, 7 peer,\n"
         "8 memory, 70 internal, 75 stopped and saved\n";
}

std::optional<std::string> help_of_word(const std::string& word) {
  if (const CommandInfo* info = find_command(word)) return command_help(*info);
  if (word == "reference") return reference_page();
  if (word == "man") return manual_page();
  if (word == kLicences) return licences_text();
  if (word == kCompletion) return completion_help();
  for (const std::string& shell : completed_shells())
    if (word == kCompletion + (" " + shell)) return completion_script(shell);
  for (const std::string& kind : completed_names())
    if (word == kCompletion + (" " + kind)) return names_to_complete(kind);
  std::vector<std::string> texts;
  for (const Key* key : rows_of(word)) texts.push_back(key_help(*key));
  return texts.empty() ? std::nullopt : std::optional(join(texts, "\n"));
}

}  // namespace rtdetr
