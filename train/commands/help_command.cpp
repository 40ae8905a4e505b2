#include <algorithm>

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/text.h"
#include "train/commands/commands.h"
#include "train/commands/module_help.h"
#include "train/config/command_table.h"
#include "train/config/keys.h"
#include "train/config/reference_page.h"
#include "train/report/output.h"

namespace rtdetr {

namespace {

/// Help is not wider than this on any terminal: long lines are hard to read.
std::size_t help_width() { return std::min<std::size_t>(output_width(), 110); }

Settings defaults_of(Command command) {
  Settings settings;
  apply_command_defaults(command, settings);
  return settings;
}

/// Meaning, unit, and what is accepted where the default does not show it.
std::string description(const Key& key) {
  std::string text = key.meaning;
  const bool shows_itself = key.is_path || std::holds_alternative<bool Settings::*>(key.field) ||
                            (std::holds_alternative<std::string Settings::*>(key.field) && key.choices.empty());
  std::vector<std::string> notes;
  if (!key.unit.empty()) notes.push_back(key.unit);
  if (!shows_itself) notes.push_back(accepted_form(key));
  return notes.empty() ? text : text + " [" + join(notes, "; ") + "]";
}

std::string overview() {
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
         "'rtdetr help reference' everything as Markdown.\n"
         "json=true on any command: stdout is one JSON document.\n"
         "exit codes: 0 ok, 2 usage, 3 data, 4 model file, 5 I/O, 6 diverged, 7 peer,\n"
         "8 memory, 70 internal, 75 stopped and saved\n";
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
    text += head + wrapped(description(*key), head.size(), help_width()) + "\n";
  }
  return text;
}

/// The value with which each command that has the key begins.
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

nlohmann::ordered_json key_json(const Key& key) {
  nlohmann::ordered_json document = {{"name", key.name},
                                     {"meaning", key.meaning},
                                     {"accepts", accepted_form(key)},
                                     {"unit", key.unit},
                                     {"example", key.name + "=" + key.example},
                                     {"section", key.section},
                                     {"defaults", nlohmann::ordered_json::object()}};
  for (const auto& [command, value] : defaults_of(key)) document["defaults"][command] = value;
  return document;
}

nlohmann::ordered_json keys_json(Command command) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  const Settings defaults = defaults_of(command);
  for (const Key* key : keys_of(command))
    list.push_back({{"name", key->name},
                    {"default", value_text(*key, defaults)},
                    {"unit", key->unit},
                    {"accepts", accepted_form(*key)},
                    {"meaning", key->meaning},
                    {"section", key->section}});
  return list;
}

nlohmann::ordered_json command_json(const CommandInfo& info) {
  return {{"name", info.name},
          {"summary", info.summary},
          {"example", info.example},
          {"required", info.required},
          {"keys", keys_json(info.command)}};
}

/// Help about one word: a command, a key of some command, or a module of model YAMLs.
struct Topic {
  std::string text;
  nlohmann::ordered_json document;
};

Topic text_topic(const std::string& topic, const std::string& text) {
  return {text, {{"topic", topic}, {"text", text}}};
}

Topic key_topic(const std::string& name) {
  std::vector<std::string> texts;
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const Key* key : rows_of(name)) {
    texts.push_back(key_help(*key));
    rows.push_back(key_json(*key));
  }
  return {join(texts, "\n"), {{"keys", rows}}};
}

Topic explain(const std::string& topic) {
  if (const CommandInfo* info = find_command(topic))
    return {command_help(*info), {{"commands", nlohmann::ordered_json::array({command_json(*info)})}}};
  if (find_key(topic)) return key_topic(topic);
  const std::vector<std::string> modules = module_names();
  if (topic == "models" || topic == "modules") return text_topic(topic, modules_overview());
  if (topic == "reference") return text_topic(topic, reference_page());
  if (std::find(modules.begin(), modules.end(), topic) != modules.end()) return text_topic(topic, module_help(topic));
  std::vector<std::string> words = modules;
  for (const CommandInfo& info : all_commands()) words.push_back(info.name);
  for (const Key& key : all_keys()) words.push_back(key.name);
  const std::string ours = foreign_key_hint(topic);
  throw ConfigError("argument '" + topic + "': no command, key or module" +
                    (ours.empty() ? did_you_mean(topic, words) : "; here it is " + ours));
}

/// Without a topic everything; with one it alone, in the same form; with several a list.
nlohmann::ordered_json help_json(const std::vector<Topic>& topics) {
  if (topics.size() == 1) return topics.front().document;
  if (topics.empty()) {
    nlohmann::ordered_json commands = nlohmann::ordered_json::array();
    for (const CommandInfo& info : all_commands()) commands.push_back(command_json(info));
    return {{"commands", commands}};
  }
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Topic& topic : topics) list.push_back(topic.document);
  return {{"topics", list}};
}

}  // namespace

ExitCode run_help(const Settings& settings) {
  std::vector<Topic> topics;
  for (const std::string& topic : settings.topics) topics.push_back(explain(topic));
  std::string text = topics.empty() ? overview() : "";
  for (const Topic& topic : topics) text += (text.empty() ? "" : "\n") + topic.text;
  print_text(settings, text);
  print_json(settings, help_json(topics));
  return ExitCode::kOk;
}

}  // namespace rtdetr
