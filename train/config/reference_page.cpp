#include "train/config/reference_page.h"

#include <algorithm>

#include "core/base/text.h"
#include "train/config/command_table.h"
#include "train/config/key_meaning.h"
#include "train/config/keys.h"

namespace rtdetr {
namespace {

/// A cell of a Markdown table.
std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.replace(at, 1, "\\|");
  return text;
}

std::string code(const std::string& text) { return text.empty() ? "" : "`" + text + "`"; }

std::string row_of(const CommandInfo& info, const Key& key, const Settings& defaults) {
  const bool required = std::find(info.required.begin(), info.required.end(), key.name) != info.required.end();
  const std::string value = required ? "needed" : code(value_text(key, defaults));
  return "| " + code(key.name) + " | " + value + " | " + key.unit + " | " + cell(accepted_form(key)) + " | " +
         cell(meaning_for(key, info.command)) + " |\n";
}

std::string section_of(const CommandInfo& info) {
  Settings defaults;
  apply_command_defaults(info.command, defaults);
  std::string text = "\n## " + info.name + "\n\n" + info.summary + "\n\n    " + info.example + "\n";
  std::string section;
  for (const Key* key : keys_of(info.command)) {
    if (key->section != section) {
      text += "\n**" + key->section + "**\n\n| key | default | unit | accepts | meaning |\n|---|---|---|---|---|\n";
    }
    section = key->section;
    text += row_of(info, *key, defaults);
  }
  return text;
}

}  // namespace

std::string reference_page() {
  std::string text =
      "# Commands and keys\n\n"
      "Written by `rtdetr help reference`; do not edit.\n\n"
      "    rtdetr COMMAND key=value …\n\n"
      "Values come from the program's defaults, then the recipe (`cfg=FILE.yaml`), then the command line; the last one "
      "wins.\nPaths in a recipe are relative to the recipe. `true` may be written yes, on or 1, `false` no, off or 0. "
      "A key may also be written `--key=value` or `--key value`, a true one `--key`. Exit codes: "
      "[exit_codes.md](exit_codes.md).\n";
  for (const CommandInfo& info : all_commands()) text += section_of(info);
  return text;
}

}  // namespace rtdetr
