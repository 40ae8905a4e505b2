#include "train/config/settings_parser.h"

#include <algorithm>
#include <set>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/base/written_path.h"
#include "core/io/shipped_files.h"
#include "core/io/yaml.h"
#include "models/graph/model_files.h"
#include "train/config/command_table.h"
#include "train/config/completion.h"
#include "train/config/continued_run.h"
#include "train/config/key_combinations.h"
#include "train/config/key_meaning.h"
#include "train/config/keys.h"
#include "train/config/licences_text.h"
#include "train/config/param_group_reader.h"
#include "train/config/spelling.h"

/// How a command line becomes Settings: the command's defaults, then cfg=FILE, then the keys of the command line. What
/// is wrong is collected, so that one run shows every mistake.
namespace rtdetr {

namespace {

namespace fs = std::filesystem;

constexpr const char* kNearestWord = "; did you mean";  ///< as did_you_mean() begins

/// With those whose answers are texts of help.
std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const CommandInfo& info : all_commands()) names.push_back(info.name);
  names.insert(names.end(), {kCompletion, kLicences});
  return names;
}

std::vector<std::string> key_names(Command command) {
  std::vector<std::string> names;
  for (const Key* key : keys_of(command)) names.push_back(key->name);
  return names;
}

/// "train, val" of the commands a key belongs to.
std::string commands_with(const std::string& key) {
  std::vector<std::string> names;
  for (const CommandInfo& info : all_commands())
    if (find_key(key, info.command)) names.push_back(info.name);
  return join(names, ", ");
}

/// Whether a word of `compare` is a run's folder: those may have a '=' in their name, "lr0=0.1".
bool names_run(const std::string& word) {
  std::error_code ignored;
  return !word.empty() && (word.find('=') == std::string::npos || fs::is_directory(expand_home(word), ignored));
}

class Parser {
 public:
  explicit Parser(Command command) { apply_command_defaults(command, settings_); }

  Settings parse(std::span<const std::string> arguments) {
    const std::vector<KeyValue> pairs = split_arguments(arguments);
    for (const KeyValue& pair : pairs)
      if (pair.key == "cfg") read_recipe(expand_home(pair.value));
    for (const KeyValue& pair : pairs) apply(pair.key, pair.value, "argument '" + pair.argument + "'", "command line");
    take_from_run();
    if (!fs::is_regular_file(settings_.data)) settle_data_name(settings_.data);
    for (std::string* pictures : {&settings_.verify, &settings_.calibrate})
      if (!fs::exists(*pictures)) settle_data_name(*pictures);
    groups_.settle(settings_);
    check_required();
    for (std::string& wrong : wrong_combinations(settings_, model_is_runs_)) problems_.push_back(std::move(wrong));
    if (!problems_.empty()) throw ConfigError(join(problems_, "\n"));
    return std::move(settings_);
  }

 private:
  void problem(const std::string& where, const std::string& message) { problems_.push_back(where + ": " + message); }
  const CommandInfo& command() const { return info_of(settings_.command); }

  std::vector<KeyValue> split_arguments(std::span<const std::string> arguments);
  /// The value of `--key` without '=': the word behind it, or true. Takes the word off `rest`; empty if there is none.
  std::optional<std::string> value_behind(const std::string& name, std::span<const std::string>& rest) const;
  /// Says what a word without '=' should have been; true if the next word was meant to be its value.
  bool explain_word(const std::string& word, const std::string* next);
  const Key* known_key(const std::string& name, const std::string& where);
  void apply(const std::string& name, const std::string& typed, const std::string& where, const std::string& origin);
  void read_recipe(const std::string& file);
  void read_recipe_entry(const YamlDocument& recipe, const std::string& name, const YamlNode& node, int line);
  void take_told(const ToldRun& run, const char* map, const std::string& origin);
  void take_from_run();
  static void settle_data_name(std::string& data);
  void check_required();
  std::string example() const;

  Settings settings_;
  std::vector<std::string> problems_;
  std::set<std::string> attempted_;  ///< keys that were given, well or badly
  bool recipe_is_missing_ = false;   ///< cfg= names none
  ParamGroupReader groups_;
  bool model_is_runs_ = false;  ///< the YAML in the checkpoint of the run that is continued
};

std::vector<KeyValue> Parser::split_arguments(std::span<const std::string> arguments) {
  std::vector<KeyValue> pairs;
  std::set<std::string> seen;
  for (std::span<const std::string> rest = arguments; !rest.empty();) {
    const std::string& typed = rest.front();
    rest = rest.subspan(1);
    const std::size_t begin = std::min(typed.find_first_not_of('-'), typed.size());
    const std::string word = typed.substr(begin);
    const std::size_t equals = word.find('=');
    if (settings_.command == Command::kCompare && begin == 0 && names_run(typed)) {
      settings_.topics.push_back(expand_home(typed));
      continue;
    }
    KeyValue pair{word.substr(0, equals), "", typed};
    if (begin > 0) std::ranges::replace(pair.key, '-', '_');
    if (equals != std::string::npos && equals > 0) {
      pair.value = word.substr(equals + 1);
    } else if (const auto value = begin > 0 ? value_behind(pair.key, rest) : std::nullopt) {
      pair.value = *value;
      if (!value->empty()) pair.argument += " " + *value;
    } else {
      if (explain_word(word, rest.empty() ? nullptr : &rest.front())) rest = rest.subspan(1);
      continue;
    }
    translate_key(pair);
    if (!seen.insert(pair.key).second)
      problem("argument '" + pair.argument + "'", "'" + pair.key + "' is given twice; keep one");
    else
      pairs.push_back(pair);
  }
  return pairs;
}

/// Whether a word is a setting of its own, so that it is no value of the option before it.
bool sets_key(const std::string& word) {
  const std::size_t begin = std::min(word.find_first_not_of('-'), word.size());
  KeyValue pair{word.substr(begin, word.find('=') - begin), "", word};
  translate_key(pair);
  return word.find('=') != std::string::npos && find_key(pair.key);
}

std::optional<std::string> Parser::value_behind(const std::string& name, std::span<const std::string>& rest) const {
  KeyValue pair{name, "true", ""};
  translate_key(pair);
  const Key* key = find_key(pair.key, settings_.command);
  if (!key) return std::nullopt;
  const bool flag = pair.value != "true" || std::holds_alternative<bool Settings::*>(key->field);
  const bool there =
      !rest.empty() && !rest.front().empty() && !rest.front().starts_with("--") && !sets_key(rest.front());
  if (flag && !(there && truth_of(rest.front()))) return "true";
  if (!there && pair.key == "resume") return "true";
  if (!there || rest.front().starts_with('=')) return std::nullopt;
  const std::string value = rest.front();
  rest = rest.subspan(1);
  return value;
}

bool Parser::explain_word(const std::string& word, const std::string* next) {
  const std::string where = "argument '" + word + "'";
  const Key* key = find_key(word);
  const bool next_is_value = next && next->find('=') == std::string::npos && !next->empty() && *next != "=";
  if (key && std::holds_alternative<bool Settings::*>(key->field)) {
    problem(where, "a value is missing; write " + word + "=true");
    return false;
  }
  if (key) {
    const bool spaced = next && next->starts_with("=");
    const std::string value = next_is_value ? *next : key->example;
    problem(where, std::string(spaced ? "spaces around '=' are not allowed" : "a value is missing") + "; write " +
                       word + "=" + value);
    return next_is_value || spaced;
  }
  const std::string answer = foreign_command_answer(word);
  if (find_command(word))
    problem(where, "the command is " + command().name + " already; one command at a time");
  else if (!answer.empty())
    problem(where, answer);
  else
    problem(where, "settings are written key=value" + did_you_mean(word, key_names(settings_.command)));
  return false;
}

const Key* Parser::known_key(const std::string& name, const std::string& where) {
  if (const Key* key = find_key(name, settings_.command)) return key;
  if (find_key(name)) {
    problem(where, "'" + name + "' is a key of " + commands_with(name) + ", not of " + command().name);
    return nullptr;
  }
  std::string hint = foreign_key_hint(name, settings_.command);
  const std::string reason = absence_reason(name);
  const std::string elsewhere = foreign_key_hint(name);
  if (!hint.empty())
    hint = "; here it is " + hint;
  else if (!elsewhere.empty())
    hint = "; here it is " + elsewhere + ", a key of " + commands_with(elsewhere.substr(0, elsewhere.find('=')));
  else
    hint = did_you_mean(name, key_names(settings_.command));
  if (!reason.empty()) hint = ": " + reason;
  if (hint.empty()) hint = "; 'rtdetr help " + command().name + "' lists the keys";
  problem(where, "unknown key '" + name + "'" + hint);
  return nullptr;
}

void Parser::apply(const std::string& name, const std::string& typed, const std::string& where,
                   const std::string& origin) {
  const Key* key = known_key(name, where);
  if (!key) return;
  attempted_.insert(name);
  if (name == "param_groups") {
    problem(where, "param_groups is written in a recipe: cfg=FILE.yaml with 'param_groups: " + key->example + "'");
    return;
  }
  const std::string text = translated_value(name, typed);
  const std::string wrong = set_value(*key, key->is_path ? expand_home(text) : text, settings_);
  const std::string answer = wrong.empty() ? "" : foreign_value_answer(settings_.command, name, text);
  if (!answer.empty()) return problem(where, wrong.substr(0, wrong.find(kNearestWord)) + "; " + answer);
  if (!wrong.empty()) return problem(where, wrong);
  settings_.given[name] = origin;
}

void Parser::read_recipe(const std::string& file) {
  if (file.empty()) return;  // reported with the command line's keys
  const bool is_there = fs::exists(file) && !fs::is_directory(file);
  const fs::path found = is_there ? fs::path(file) : find_shipped_file("recipes", file);
  recipe_is_missing_ = found.empty();
  if (recipe_is_missing_)
    return problem(
        "argument 'cfg=" + file + "'",
        "there is no such file, and no such name among the recipes that come along" + nearest_file("recipes", file));
  const YamlDocument recipe = load_yaml(found);
  if (!recipe.root.is_map())
    return problem(recipe.where(1), "a recipe is a map of keys, not " + recipe.root.describe());
  for (std::size_t i = 0; i < recipe.root.entries.size(); ++i) {
    const auto& [name, node] = recipe.root.entries[i];
    read_recipe_entry(recipe, name, node, recipe.root.key_lines[i]);
  }
}

void Parser::read_recipe_entry(const YamlDocument& recipe, const std::string& name, const YamlNode& node, int line) {
  const std::string where = recipe.where(line);
  if (name == "cfg") return problem(where, "a recipe cannot name another one");
  const Key* key = known_key(name, where);
  if (!key) return;
  if (name == "param_groups") return groups_.read(recipe, node, settings_, problems_);
  const bool takes_list = std::holds_alternative<ImageSize Settings::*>(key->field) ||
                          std::holds_alternative<std::vector<std::int64_t> Settings::*>(key->field);
  if (node.is_map() || (node.is_sequence() && !takes_list))
    return problem(where, name + " must be " + accepted_form(*key) + ", not " + node.describe());
  std::string text = node.scalar;
  if (node.is_sequence()) {
    std::vector<std::string> items;
    for (const YamlNode& item : node.items) items.push_back(item.scalar);
    text.assign("[").append(join(items, ",")).append("]");
  }
  if (key->is_path && !text.empty()) {
    const fs::path beside = fs::path(recipe.name).parent_path() / text;
    if (fs::path(text).is_relative() && fs::exists(beside)) text = beside.lexically_normal().string();
  }
  apply(name, text, where, where);
}

/// data=bccd is the data set of that name that comes along, whatever folder is called so, too; verify= and calibrate=
/// take a folder.
void Parser::settle_data_name(std::string& data) {
  const fs::path found = data.empty() ? fs::path() : find_shipped_file("datasets", data);
  if (!found.empty()) data = found.string();
}

/// @param origin  what messages call it
void Parser::take_told(const ToldRun& run, const char* map, const std::string& origin) {
  const YamlNode* told = run.settings.root.find(map);
  if (!told) return;
  for (std::size_t i = 0; i < told->entries.size(); ++i) {
    const auto& [name, node] = told->entries[i];
    if (settings_.is_given(name)) continue;
    read_recipe_entry(run.settings, name, node, told->key_lines[i]);
    settings_.given[name] = origin;
  }
}

/// A run that is continued without model= or data=: what is not given now is as that run was told.
void Parser::take_from_run() {
  if (!problems_.empty() || settings_.command != Command::kTrain || settings_.resume == "false") return;
  if (!settings_.model.empty() && !settings_.data.empty()) return;
  const std::optional<ToldRun> run = run_to_continue(settings_);
  if (!run) return;
  const bool own_model = settings_.is_given("model");
  take_told(*run, kToldOnCommandLine, "command line of " + run->file.string());
  take_told(*run, kToldByRecipe, run->file.string());
  const bool yaml =
      fs::path(settings_.model).extension() != ".safetensors" && !find_model_file(settings_.model).empty();
  model_is_runs_ = !own_model && !yaml;
  if (model_is_runs_) settings_.model = run->file.string();
}

/// What a missing recipe would have said is not known.
void Parser::check_required() {
  if (recipe_is_missing_) return;
  if (settings_.command == Command::kConvert && settings_.weights.empty() &&
      (settings_.data.empty() || !attempted_.contains("format")))
    problems_.push_back("convert needs weights=, or data= and format=; e.g. " + command().example +
                        ", or rtdetr convert data=configs/datasets/bccd.yaml format=yolo output=bccd-yolo");
  for (const std::string& name : command().required) {
    const Key& key = *find_key(name, settings_.command);
    if (!value_text(key, settings_).empty() || attempted_.contains(name)) continue;
    if (settings_.command == Command::kTrain && name == "model")
      problems_.emplace_back("train needs model=, e.g. model=rtdetr-n, or a recipe that names one: cfg=small-data");
    else
      problems_.push_back(command().name + " needs " + name + "=: " + meaning_for(key, settings_.command) + "; e.g. " +
                          example());
  }
}

/// The command's, of export in the format that is asked for.
std::string Parser::example() const {
  const std::string& format = settings_.format;
  if (settings_.command != Command::kExport || format.empty() || format == "safetensors") return command().example;
  const std::string model = settings_.model.empty() ? "best.safetensors" : settings_.model,
                    output = fs::path(model).stem().string() + exported_ending(format);
  return "rtdetr export model=" + shell_word(model) + " format=" + format + " output=" + shell_word(output);
}

bool is_help_word(const std::string& word) { return word == "--help" || word == "-h" || word == "help"; }

/// Whether a word is an option whose value is the word behind it, e.g. "--name".
bool takes_word_behind(const std::string& word, Command command) {
  if (!word.starts_with('-') || word.find('=') != std::string::npos) return false;
  KeyValue pair{word.substr(std::min(word.find_first_not_of('-'), word.size())), "", word};
  std::ranges::replace(pair.key, '-', '_');
  translate_key(pair);
  const Key* key = find_key(pair.key, command);
  return key && !std::holds_alternative<bool Settings::*>(key->field);
}

/// Whether a word behind the command asks for help: "help" does not where it is an option's value.
bool asks_for_help(std::span<const std::string> arguments, Command command) {
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    if (is_help_word(arguments[i]) && !(arguments[i] == "help" && takes_word_behind(arguments[i - 1], command)))
      return true;
  }
  return false;
}

Settings help_about(std::vector<std::string> topics) {
  Settings settings;
  settings.command = Command::kHelp;
  settings.json = asks_for_json(topics);
  std::erase_if(topics, [](const std::string& word) { return asks_for_json({&word, 1}); });
  settings.topics = std::move(topics);
  return settings;
}

/// `rtdetr completion bash` is a text of help.
Settings help_about_completion(std::span<const std::string> shells) {
  if (shells.size() != 1) throw ConfigError("completion needs one shell: rtdetr completion bash, zsh or fish");
  return help_about({kCompletion + (" " + shells.front())});
}

[[noreturn]] void refuse_first_word(const std::string& word) {
  const std::string answer = foreign_command_answer(word);
  if (word.find('=') != std::string::npos)
    throw ConfigError("argument '" + word + "': the command comes first, e.g. rtdetr train " + word);
  throw ConfigError("argument '" + word + "': unknown command '" + word + "'" +
                    (answer.empty()
                         ? ", not one of " + join(command_names(), ", ") + did_you_mean(word, command_names())
                         : ": " + answer));
}

}  // namespace

Settings parse_command_line(std::span<const std::string> typed) {
  const std::vector<std::string> words = with_command_first(typed);
  const std::span<const std::string> arguments = words;
  if (arguments.empty()) return help_about({});
  const std::string& first = arguments.front();
  if (is_help_word(first)) return help_about({arguments.begin() + 1, arguments.end()});
  if (first == kLicences) return help_about({arguments.begin(), arguments.end()});
  if (first == kCompletion) return help_about_completion(arguments.subspan(1));
  const CommandInfo* info = find_command(first == "--version" || first == "-V" ? "version" : first);
  if (!info) refuse_first_word(first);
  if (asks_for_help(arguments, info->command)) {
    Settings settings = help_about({info->name});
    settings.json = asks_for_json(arguments);
    return settings;
  }
  return Parser(info->command).parse(arguments.subspan(1));
}

}  // namespace rtdetr
