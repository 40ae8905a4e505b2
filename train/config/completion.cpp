#include "train/config/completion.h"

#include <algorithm>
#include <array>
#include <functional>

#include "core/base/text.h"
#include "core/io/shipped_files.h"
#include "train/config/keys.h"
#include "train/config/licences_text.h"

/// Each script is a frame in the shell's language around three tables: commands, the keys of each, and what stands for
/// some keys' values. In these a key's values are words, or one of the marks below: for a file, and for the names of
/// what comes along, which the script asks of the program each time, for they may change after the script was made.
namespace rtdetr {
namespace {

constexpr const char* kFile = "<file>";    // followed by its endings, "yaml|yml"; nothing: any
constexpr const char* kNames = "<names>";  // followed by one of completed_names()

/// Words that stand where a command does and take no keys.
struct KeylessWord {
  const char* word;
  const char* note;
};
constexpr std::array<KeylessWord, 2> kKeylessWords{
    {{kCompletion, "lets a shell complete all this"}, {kLicences, "shows the licences of all that it is made with"}}};

/// Words that may follow a command's "key=", and marks.
std::vector<std::string> values_of(const Key& key, Command command) {
  std::vector<std::string> words = key.choices;
  if (command == Command::kTrain && key.name == "amp") std::erase(words, "int8");  // key_combinations.cpp refuses it
  if (!words.empty()) return words;
  if (std::holds_alternative<bool Settings::*>(key.field)) return {"true", "false"};
  const std::string kind = key.name == "model"  ? "models"
                           : key.name == "cfg"  ? "recipes"
                           : key.name == "data" ? "datasets"
                                                : "";
  const std::string endings = key.name == "cfg" ? "yaml|yml" : key.name == "data" ? "yaml|yml|json" : "";
  if (!kind.empty()) words.push_back(kNames + kind);
  if (key.is_path) words.push_back(kFile + endings);
  return words;
}

/// What zsh and fish show beside a word, for between single quotes: the beginning of its meaning, which up to a colon
/// is often no more than when it counts.
std::string note_of(const std::string& meaning) {
  std::string text = meaning.substr(0, std::min(meaning.find_first_of(";("), meaning.find(". ")));
  std::erase_if(text, [](char c) { return c == '"' || c == '`' || c == '\\' || c == '$'; });
  while (text.ends_with(' ')) text.pop_back();
  return join(split(text, '\''), "'\\''");
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
      const std::vector<std::string> values = values_of(*key, info.command);
      if (!values.empty()) text += "    " + info.name + ":" + key->name + ") " + body(values) + " ;;\n";
    }
    return text;
  });
}

/// A key's values, by what a script does with them.
struct Values {
  std::string words;  ///< with spaces between
  std::string names;  ///< one of completed_names(), or ""
  bool files = false;
  std::string endings;  ///< of the files, "yaml|yml"; "" = any
};

Values sorted(const std::vector<std::string>& values) {
  Values sorted;
  std::vector<std::string> words;
  for (const std::string& value : values) {
    if (value.starts_with(kFile)) {
      sorted.files = true;
      sorted.endings = value.substr(std::string_view(kFile).size());
    } else if (value.starts_with(kNames)) {
      sorted.names = value.substr(std::string_view(kNames).size());
    } else {
      words.push_back(value);
    }
  }
  sorted.words = join(words, " ");
  return sorted;
}

/// Keys that say all they can without a value, as alternatives of a shell's pattern: no value of theirs is behind them.
std::string flags(const std::string& dashes) {
  std::vector<std::string> words;
  for (const Key& key : all_keys())
    if (std::holds_alternative<bool Settings::*>(key.field)) words.push_back(dashes + key.name);
  return join(words, "|");
}

std::string all_command_words() {
  std::vector<std::string> words;
  for (const KeylessWord& one : kKeylessWords) words.emplace_back(one.word);
  for (const CommandInfo& info : all_commands()) words.push_back(info.name);
  return join(words, " ");
}

/// A line of the script for each word that may stand as a command.
std::string command_lines(const std::function<std::string(const std::string& word, const std::string& note)>& line) {
  std::string text = lines([&](const CommandInfo& info) { return line(info.name, note_of(info.summary)); });
  for (const KeylessWord& one : kKeylessWords) text += line(one.word, one.note);
  return text;
}

std::string bash_script() {
  const auto keys = [](const CommandInfo& info) {
    std::vector<std::string> names;
    for (const Key* key : keys_of(info.command)) names.push_back(key->name + "=");
    return "    " + info.name + ") words='" + join(names, " ") + "' ;;\n";
  };
  return R"(# Completion of rtdetr in bash. In ~/.bashrc: source <(rtdetr completion bash)
_rtdetr() {
  local line=${COMP_LINE:0:COMP_POINT} words='' files='' command='' typed
  local -a before
  local commands=')" +
         all_command_words() + R"('
  local word=${line##*[[:space:]]}
  read -ra before <<< "${line%"$word"}"
  for typed in "${before[@]:1}"; do
    case $typed in
      detect) ;;
      mode=*) command=${typed#mode=} ;;
      *=* | -*) ;;
      *) [[ $command ]] || command=$typed ;;
    esac
  done
  local dashes=${word%%[!-]*}
  word=${word#"$dashes"}
  local key=${word%%=*} value=${word#*=} option=''
  if [[ $command && ! $dashes && $word != *=* ]]; then
    case ${before[-1]} in
      *=* | )" +
         flags("--") + R"() ;;
      --*) option=${before[-1]#--} key=$option ;;  # --key value
    esac
  fi
  if [[ ! $command && $word != *=* ]]; then
    COMPREPLY=($(compgen -W "$commands" -- "$word"))
    return
  fi
  if [[ ! $option && $word != *=* ]]; then
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
      [[ ${COMPREPLY[0]} ]] || compopt -o filenames  # with it, output= would be output\=
      mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$word")
    fi
    return
  fi
  case $command:$key in
    *:mode) words=$commands ;;
    *:task) words=detect ;;
)" + value_cases([](const auto& list) {
           const Values values = sorted(list);
           const std::string asked =
               values.names.empty() ? "" : "$(\"${COMP_WORDS[0]}\" completion " + values.names + " 2>/dev/null)";
           const std::string files = values.endings.empty() ? "*" : "*.@(" + values.endings + ")";
           return "words=\"" + values.words + asked + "\"" + (values.files ? " files='" + files + "'" : "");
         }) +
         R"(  esac
  COMPREPLY=($(compgen -W "$words" -- "$value"))
  if [[ $files ]]; then
    compopt -o filenames
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(
      shopt -s extglob
      compgen -f -X "!$files" -- "$value"
      [[ $files == '*' ]] || compgen -d -- "$value"
    )
  fi
  # Where '=' does not part words, what is replaced has the key in front.
  if [[ ! $option && $COMP_WORDBREAKS != *=* ]]; then COMPREPLY=("${COMPREPLY[@]/#/$dashes$key=}"); fi
}
complete -F _rtdetr rtdetr
)";
}

std::string zsh_script() {
  const auto commands = command_lines(
      [](const std::string& word, const std::string& note) { return "    '" + word + ":" + note + "'\n"; });
  const auto keys = lines([](const CommandInfo& info) {
    std::string text = "    " + info.name + ") list=(\n";
    for (const Key* key : keys_of(info.command)) text += "      '" + key->name + ":" + note_of(key->meaning) + "'\n";
    return text + "    ) ;;\n";
  });
  return R"(#compdef rtdetr
# Completion of rtdetr in zsh. As a file _rtdetr in a folder of $fpath, or in ~/.zshrc after compinit:
#   source <(rtdetr completion zsh)
_rtdetr() {
  local command='' key='' typed
  local -a list commands
  commands=(
)" + commands +
         R"(  )
  for typed in "${(@)words[2,CURRENT-1]}"; do
    case $typed in
      detect) ;;
      mode=*) command=${typed#mode=} ;;
      *=*|-*) ;;
      *) [[ -n $command ]] || command=$typed ;;
    esac
  done
  if compset -P '*mode='; then
    _describe -t commands command commands
    return
  fi
  if compset -P '*task='; then
    compadd -- detect
    return
  fi
  if [[ -z $command ]]; then
    _describe -t commands command commands
    return
  fi
  case $command in
    help) compadd -- )" +
         words_of_help() + R"(; return ;;
    completion) compadd -- )" +
         join(completed_shells(), " ") + R"(; return ;;
  esac
  typed=${words[CURRENT-1]}
  if [[ $typed == --* && $typed != (*=*|)" +
         flags("--") + R"() && $PREFIX != (-*|*=*) ]]; then
    key=${typed#--}  # --key value
  else
    compset -P '-#'
    compset -P '[^=]#=' && key=${${IPREFIX%=}##-#}
  fi
  if [[ -z $key ]]; then
    case $command in
)" + keys +
         R"(    esac
    _describe -t keys key list -qS =
    if [[ $command == compare ]]; then _files -/; fi
    return
  fi
  case $command:$key in
)" + value_cases([](const auto& list) {
           const Values values = sorted(list);
           std::vector<std::string> parts;
           if (!values.words.empty()) parts.push_back("compadd -- " + values.words);
           if (!values.names.empty())
             parts.push_back("compadd -- ${(f)\"$(${(Q)words[1]} completion " + values.names + " 2>/dev/null)\"}");
           if (values.files)
             parts.push_back(values.endings.empty() ? "_files" : "_files -g '*.(" + values.endings + ")'");
           return join(parts, "; ");
         }) +
         R"(  esac
}
if [[ $funcstack[1] == _rtdetr ]]; then _rtdetr "$@"; else compdef _rtdetr rtdetr; fi
)";
}

/// fish takes a key in both forms: key=value is a word, --key an option with an argument.
std::string fish_key(const CommandInfo& info, const Key& key) {
  const std::string head = "complete -c rtdetr -n '__rtdetr_is " + info.name + "' ";
  const std::string note = " -d '" + note_of(key.meaning) + "'\n";
  const Values values = sorted(values_of(key, info.command));
  std::vector<std::string> words = {key.name + "="}, option;
  for (const std::string& word : split(values.words, ' ')) {
    if (word.empty()) continue;
    words.push_back(key.name + "=" + word);
    option.push_back(word);
  }
  if (!values.names.empty()) {
    words.push_back("(__rtdetr_names " + values.names + " " + key.name + "=)");
    option.push_back("(__rtdetr_names " + values.names + ")");
  }
  const std::string endings = values.endings.empty() ? "" : " \"" + values.endings + "\"";
  if (values.files) words.push_back("(__rtdetr_files " + key.name + endings + ")");
  const bool alone = std::holds_alternative<bool Settings::*>(key.field);
  return head + "-a '" + join(words, " ") + "'" + note + head + "-l " + key.name +
         (values.files ? " -r -F"
          : alone      ? " -f"
                       : " -x") +
         (option.empty() ? "" : " -a '" + join(option, " ") + "'") + note;
}

std::string fish_script() {
  const auto commands = command_lines([](const std::string& word, const std::string& note) {
    const std::string rest = word + " -d '" + note + "'\n";
    return "complete -c rtdetr -n '__rtdetr_is none' -a " + rest +
           "complete -c rtdetr -n '__rtdetr_typing mode' -a mode=" + rest;
  });
  const auto keys = lines([](const CommandInfo& info) {
    std::string text;
    for (const Key* key : keys_of(info.command)) text += fish_key(info, *key);
    return text;
  });
  return R"(# Completion of rtdetr in fish: rtdetr completion fish > ~/.config/fish/completions/rtdetr.fish
function __rtdetr_is
  set -l command none
  set -l typed (commandline -opc)
  for word in $typed[2..-1]
    switch $word
      case detect
      case 'mode=*'
        set command (string replace mode= '' -- $word)
      case '*=*' '-*'
      case '*'
        test $command = none; and set command $word
    end
  end
  test $command = $argv[1]
end
function __rtdetr_typing
  string match -q -- "$argv[1]=*" (commandline -ct)
end
function __rtdetr_names
  set -l typed (commandline -opc)
  $typed[1] completion $argv[1] 2>/dev/null | string replace -r '^' -- "$argv[2]"
end
function __rtdetr_files
  # What is typed, without marks of quoting; a quote may still be open.
  set -l raw (commandline -ct)
  set -l token (string unescape -- $raw; or string unescape -- $raw'"'; or string unescape -- $raw"'")
  if string match -q -- "$argv[1]=*" $token
    set -l typed (string replace -- "$argv[1]=" '' $token)
    set -l begin (string replace -r '^~(?=/)' $HOME -- $typed)
    for path in $begin*
      set -l rest (string sub -s (math 1 + (string length -- $begin)) -- $path)
      if test -d $path
        set rest $rest/
      else if set -q argv[2]; and not string match -qr -- "\.($argv[2])\$" $path
        continue
      end
      echo "$argv[1]=$typed$rest"
    end
  end
end
complete -c rtdetr -f
complete -c rtdetr -n '__rtdetr_typing task' -a task=detect
)" + commands +
         keys +
         "complete -c rtdetr -n '__rtdetr_is compare' -a '(__fish_complete_directories)'\n"
         "complete -c rtdetr -n '__rtdetr_is help' -a '" +
         words_of_help() + "'\ncomplete -c rtdetr -n '__rtdetr_is completion' -a '" + join(completed_shells(), " ") +
         "'\n";
}

}  // namespace

std::span<const std::string> completed_shells() {
  static const std::vector<std::string> shells = {"bash", "zsh", "fish"};
  return shells;
}

std::span<const std::string> completed_names() {
  static const std::vector<std::string> kinds = {"models", "recipes", "datasets"};
  return kinds;
}

std::string names_to_complete(const std::string& kind) {
  std::string text;
  for (const std::string& file : shipped_names(kind)) text += file.substr(0, file.rfind('.')) + "\n";
  return text;
}

std::string completion_script(const std::string& shell) {
  if (shell == "bash") return bash_script();
  if (shell == "zsh") return zsh_script();
  return fish_script();
}

}  // namespace rtdetr
