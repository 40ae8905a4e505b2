#include "train/config/completion.h"

#include <algorithm>
#include <functional>

#include "core/base/text.h"
#include "core/io/shipped_files.h"
#include "train/config/keys.h"

/// Each script is a frame in the shell's language around three tables: commands, the keys of each, and what stands for
/// some keys' values. In these a key's values are words, or the mark below for a file.
namespace rtdetr {
namespace {

constexpr const char* kFile = "<file>";
constexpr const char* kCompletionNote = "lets a shell complete all this";

/// Words that may follow "key=" beside files; of what comes along with the program the names.
std::vector<std::string> values_of(const Key& key) {
  if (!key.choices.empty()) return key.choices;
  if (std::holds_alternative<bool Settings::*>(key.field)) return {"true", "false"};
  const std::string kind = key.name == "model"  ? "models"
                           : key.name == "cfg"  ? "recipes"
                           : key.name == "data" ? "datasets"
                                                : "";
  std::vector<std::string> words;
  if (!kind.empty()) {
    for (const std::string& file : shipped_names(kind)) words.push_back(file.substr(0, file.rfind('.')));
  }
  if (key.is_path) words.emplace_back(kFile);
  return words;
}

/// What a shell shows beside a word: the first clause of its meaning, without the characters that shells read.
std::string note_of(const std::string& meaning) {
  std::string text = meaning.substr(0, meaning.find_first_of(";:("));
  std::erase_if(text, [](char c) { return c == '\'' || c == '"' || c == '`' || c == '\\' || c == '$'; });
  while (text.ends_with(' ')) text.pop_back();
  return text;
}

/// A line of the script for each command, or for each key of a command.
std::string lines(const std::function<std::string(const CommandInfo&)>& line) {
  std::string text;
  for (const CommandInfo& info : all_commands()) text += line(info);
  return text;
}

std::string words_of_help() {
  std::vector<std::string> words = {"models", "reference", "man"};
  for (const CommandInfo& info : all_commands()) words.push_back(info.name);
  return join(words, " ");
}

/// `command:key) values` for every key that has some.
std::string value_cases(const std::function<std::string(const std::vector<std::string>& values)>& body) {
  return lines([&](const CommandInfo& info) {
    std::string text;
    for (const Key* key : keys_of(info.command)) {
      const std::vector<std::string> values = values_of(*key);
      if (!values.empty()) text += "    " + info.name + ":" + key->name + ") " + body(values) + " ;;\n";
    }
    return text;
  });
}

std::string without_file(std::vector<std::string> values) {
  std::erase(values, kFile);
  return join(values, " ");
}

bool has_file(const std::vector<std::string>& values) { return std::ranges::count(values, kFile) > 0; }

std::string bash_script() {
  const auto keys = [](const CommandInfo& info) {
    std::vector<std::string> names;
    for (const Key* key : keys_of(info.command)) names.push_back(key->name + "=");
    return "    " + info.name + ") words='" + join(names, " ") + "' ;;\n";
  };
  std::vector<std::string> commands = {kCompletion};
  for (const CommandInfo& info : all_commands()) commands.push_back(info.name);
  return R"(# Completion of rtdetr in bash. In ~/.bashrc: source <(rtdetr completion bash)
_rtdetr() {
  local line=${COMP_LINE:0:COMP_POINT} words='' files=''
  local word=${line##*[[:space:]]} command=${COMP_WORDS[1]}
  local dashes=${word%%[!-]*}
  word=${word#"$dashes"}
  local key=${word%%=*} value=${word#*=}
  if [[ $line =~ ^[^[:space:]]+[[:space:]]+[^[:space:]]*$ ]]; then
    COMPREPLY=($(compgen -W ')" +
         join(commands, " ") + R"(' -- "$word"))
    return
  fi
  if [[ $word != *=* ]]; then
    case $command in
)" + lines(keys) +
         "    esac\n"
         "    if [[ $command == help ]]; then words='" +
         words_of_help() + R"('; fi
    if [[ $command == completion ]]; then words=')" +
         join(completed_shells(), " ") + R"('; fi
    COMPREPLY=($(compgen -P "$dashes" -W "$words" -- "$word"))
    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
    if [[ $command == compare && ! $dashes ]]; then
      compopt -o filenames
      mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$word")
    fi
    return
  fi
  case $command:$key in
)" + value_cases([](const auto& values) {
           return "words='" + without_file(values) + "'" + (has_file(values) ? " files=1" : "");
         }) +
         R"(  esac
  COMPREPLY=($(compgen -W "$words" -- "$value"))
  if [[ $files ]]; then
    compopt -o filenames
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$value")
  fi
  # Where '=' does not part words, what is replaced has the key in front.
  if [[ $COMP_WORDBREAKS != *=* ]]; then COMPREPLY=("${COMPREPLY[@]/#/$dashes$key=}"); fi
}
complete -F _rtdetr rtdetr
)";
}

std::string zsh_script() {
  const auto commands =
      lines([](const CommandInfo& info) { return "      '" + info.name + ":" + note_of(info.summary) + "'\n"; }) +
      "      '" + kCompletion + ":" + kCompletionNote + "'\n";
  const auto keys = lines([](const CommandInfo& info) {
    std::string text = "    " + info.name + ") list=(\n";
    for (const Key* key : keys_of(info.command)) text += "      '" + key->name + ":" + note_of(key->meaning) + "'\n";
    return text + "    ) ;;\n";
  });
  return R"(#compdef rtdetr
# Completion of rtdetr in zsh. As a file _rtdetr in a folder of $fpath, or in ~/.zshrc after compinit:
#   source <(rtdetr completion zsh)
_rtdetr() {
  local command=${words[2]} key
  local -a list
  if (( CURRENT == 2 )); then
    list=(
)" + commands +
         R"(    )
    _describe -t commands command list
    return
  fi
  case $command in
    help) compadd -- )" +
         words_of_help() + R"(; return ;;
    completion) compadd -- )" +
         join(completed_shells(), " ") + R"(; return ;;
  esac
  compset -P '-#'
  if ! compset -P '*='; then
    case $command in
)" + keys +
         R"(    esac
    _describe -t keys key list -qS =
    if [[ $command == compare ]]; then _files -/; fi
    return
  fi
  key=${IPREFIX%=}
  key=${key##*-}
  case $command:$key in
)" + value_cases([](const auto& values) {
           const std::string words = without_file(values);
           return std::string(words.empty() ? "" : "compadd -- " + words) +
                  (has_file(values) ? std::string(words.empty() ? "" : "; ") + "_files" : "");
         }) +
         R"(  esac
}
if [[ $funcstack[1] == _rtdetr ]]; then _rtdetr "$@"; else compdef _rtdetr rtdetr; fi
)";
}

std::string fish_script() {
  const auto commands =
      lines([](const CommandInfo& info) {
        return "complete -c rtdetr -n __fish_use_subcommand -a " + info.name + " -d '" + note_of(info.summary) + "'\n";
      }) +
      "complete -c rtdetr -n __fish_use_subcommand -a " + kCompletion + " -d '" + kCompletionNote + "'\n";
  const auto keys = lines([](const CommandInfo& info) {
    std::string text;
    const std::string head = "complete -c rtdetr -n '__fish_seen_subcommand_from " + info.name + "' -a '";
    for (const Key* key : keys_of(info.command)) {
      std::vector<std::string> words = {key->name + "="};
      for (const std::string& value : values_of(*key)) {
        if (value == kFile)
          words.push_back("(__rtdetr_files " + key->name + ")");
        else
          words.push_back(key->name + "=" + value);
      }
      text += head + join(words, " ") + "' -d '" + note_of(key->meaning) + "'\n";
    }
    return text;
  });
  return R"(# Completion of rtdetr in fish: rtdetr completion fish > ~/.config/fish/completions/rtdetr.fish
function __rtdetr_files
  set -l token (commandline -ct)
  if string match -q -- "$argv[1]=*" $token
    set -l typed (string replace -- "$argv[1]=" '' $token)
    for path in $typed*
      if test -d $path
        echo $argv[1]=$path/
      else
        echo $argv[1]=$path
      end
    end
  end
end
complete -c rtdetr -f
)" + commands +
         keys +
         "complete -c rtdetr -n '__fish_seen_subcommand_from compare' -a '(__fish_complete_directories)'\n"
         "complete -c rtdetr -n '__fish_seen_subcommand_from help' -a '" +
         words_of_help() + "'\ncomplete -c rtdetr -n '__fish_seen_subcommand_from completion' -a '" +
         join(completed_shells(), " ") + "'\n";
}

}  // namespace

std::span<const std::string> completed_shells() {
  static const std::vector<std::string> shells = {"bash", "zsh", "fish"};
  return shells;
}

std::string completion_script(const std::string& shell) {
  if (shell == "bash") return bash_script();
  if (shell == "zsh") return zsh_script();
  return fish_script();
}

}  // namespace rtdetr
