#include <algorithm>

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/text.h"
#include "train/commands/commands.h"
#include "train/commands/help_text.h"
#include "train/commands/module_help.h"
#include "train/config/command_table.h"
#include "train/config/completion.h"
#include "train/config/key_meaning.h"
#include "train/config/keys.h"
#include "train/config/licences_text.h"
#include "train/report/output.h"

namespace rtdetr {

namespace {

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
                    {"meaning", meaning_for(*key, command)},
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

nlohmann::ordered_json keys_named(const std::string& name) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const Key* key : rows_of(name)) rows.push_back(key_json(*key));
  return rows;
}

Topic explain(const std::string& topic) {
  if (const auto text = help_of_word(topic)) {
    if (const CommandInfo* info = find_command(topic))
      return {*text, {{"commands", nlohmann::ordered_json::array({command_json(*info)})}}};
    return find_key(topic) ? Topic{*text, {{"keys", keys_named(topic)}}} : text_topic(topic, *text);
  }
  const std::vector<std::string> modules = module_names();
  if (topic == "models" || topic == "modules") return text_topic(topic, modules_overview());
  if (std::find(modules.begin(), modules.end(), topic) != modules.end()) return text_topic(topic, module_help(topic));
  if (topic.starts_with(kCompletion))
    throw ConfigError("argument '" + topic +
                      "': there are completions for bash, zsh and fish; e.g. rtdetr completion bash");
  std::vector<std::string> words = modules;
  for (const CommandInfo& info : all_commands()) words.push_back(info.name);
  words.insert(words.end(), {kCompletion, kLicences});
  for (const Key& key : all_keys()) words.push_back(key.name);
  if (const std::string answer = foreign_command_answer(topic); !answer.empty())
    throw ConfigError("argument '" + topic + "': no command: " + answer);
  if (const std::string reason = absence_reason(topic); !reason.empty())
    throw ConfigError("argument '" + topic + "': no key: " + reason);
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
  std::string text = topics.empty() ? help_overview() : "";
  for (const Topic& topic : topics) text += (text.empty() ? "" : "\n") + topic.text;
  print_text(settings, text);
  print_json(settings, help_json(topics));
  return ExitCode::kOk;
}

}  // namespace rtdetr
