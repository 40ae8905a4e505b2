#include "train/config/manual_page.h"

#include <algorithm>
#include <string_view>

#include "core/base/error.h"
#include "core/base/text.h"
#include "train/config/completion.h"
#include "train/config/keys.h"
#include "train/config/licences_text.h"

namespace rtdetr {
namespace {

/// Plain text as troff reads it: a backslash and a hyphen are themselves, and no line begins with a request. One line.
/// An ellipsis is three dots, since man has no such character where the locale is C.
std::string roff(std::string text) {
  constexpr std::string_view kEllipsis = "…";
  for (std::size_t at = 0; (at = text.find(kEllipsis, at)) != std::string::npos;)
    text.replace(at, kEllipsis.size(), "...");
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c == '\n' ? ' ' : c;
  }
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

/// Of the rows of one name those that mean the same, in one entry.
std::string entry(const Key& key) {
  std::vector<std::string> commands, defaults;
  for (const CommandInfo& info : all_commands()) {
    if (!(key.commands & bit(info.command))) continue;
    commands.push_back(info.name);
    Settings settings;
    apply_command_defaults(info.command, settings);
    const std::string value = value_text(key, settings);
    if (std::ranges::count(defaults, value) == 0) defaults.push_back(value);
  }
  std::string text = ".TP\n\\fB" + roff(key.name) + "\\fR=\\fI" + roff(key.example) + "\\fR (" +
                     roff(join(commands, ", ")) + ")\n" + roff(key.meaning) + ".\nAccepts " + roff(accepted_form(key));
  if (!key.unit.empty()) text += " [" + roff(key.unit) + "]";
  if (defaults.size() == 1 && !defaults.front().empty()) text += "; default " + roff(defaults.front());
  if (defaults.size() > 1) text += "; defaults, in the order of these commands, " + roff(join(defaults, " or "));
  return text + ".\n";
}

std::string keys_by_section() {
  std::string text, section;
  for (const Key& key : all_keys()) {
    if (key.section != section) text += ".SS " + roff(key.section) + "\n";
    section = key.section;
    text += entry(key);
  }
  return text;
}

std::string commands() {
  std::string text;
  const auto add = [&](const std::string& name, const std::string& summary, const std::string& example) {
    text += ".TP\n\\fB" + roff(name) + "\\fR\n" + roff(summary) + ".\n.nf\n" + roff(example) + "\n.fi\n";
  };
  for (const CommandInfo& info : all_commands()) add(info.name, info.summary, info.example);
  add(kCompletion, "writes what completes commands and keys in bash, zsh or fish", "source <(rtdetr completion bash)");
  add(kLicences, "shows the licences of all that the program is made with", "rtdetr licences");
  return text;
}

}  // namespace

std::string manual_page() {
  return ".TH RTDETR 1 \"\" \"rtdetr " RTDETR_VERSION
         "\" \"User Commands\"\n"
         ".SH NAME\nrtdetr \\- trains, evaluates and exports RT\\-DETR object detectors\n"
         ".SH SYNOPSIS\n\\fBrtdetr\\fR \\fICOMMAND\\fR [\\fIkey\\fR=\\fIvalue\\fR ...]\n"
         ".SH DESCRIPTION\n"
         "One program takes a detector from a YAML file to a trained, evaluated and exported model.\n"
         "Values of keys come from the program's defaults, then from the recipe (\\fBcfg\\fR=\\fIFILE\\fR), then from "
         "the "
         "command line; the last one wins.\n"
         "A key may also be written \\fB\\-\\-key\\fR=\\fIvalue\\fR or \\fB\\-\\-key\\fR \\fIvalue\\fR, one that is "
         "true "
         "or false \\fB\\-\\-key\\fR.\n"
         "With \\fBjson\\fR=true standard output is one JSON document, also of an error.\n"
         ".SH COMMANDS\n" +
         commands() + ".SH KEYS\n" + keys_by_section() +
         ".SH EXIT STATUS\n"
         "0 ok, 2 usage, 3 data, 4 model file, 5 I/O, 6 diverged, 7 peer, 8 memory, 70 internal, 75 stopped and "
         "saved.\n"
         ".SH EXAMPLES\n.EX\n"
         "rtdetr train cfg=small\\-data data=my.yaml\n"
         "rtdetr val model=runs/train/exp/best.safetensors data=my.yaml\n"
         "rtdetr predict model=runs/train/exp/best.safetensors source=photos/\n"
         ".EE\n";
}

}  // namespace rtdetr
