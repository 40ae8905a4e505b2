#include "train/report/setting_rows.h"

#include "core/base/text.h"
#include "train/config/command_table.h"
#include "train/config/keys.h"

namespace rtdetr {
namespace {

/// As it would be typed; a list of maps in YAML's flow form.
std::string typed_text(const YamlNode& node) {
  if (node.is_scalar()) return node.scalar;
  if (!node.is_sequence()) return node.is_null() ? "" : node.to_flow();
  std::vector<std::string> items;
  for (const YamlNode& item : node.items) {
    if (!item.is_scalar()) return node.to_flow();
    items.push_back(item.scalar);
  }
  return join(items, ",");
}

}  // namespace

std::vector<SettingRow> setting_rows(const YamlDocument& arguments, Command command) {
  Settings usual;
  apply_command_defaults(command, usual);
  std::vector<SettingRow> rows;
  for (const auto& [name, node] : arguments.root.entries) {
    SettingRow row{.key = name, .value = typed_text(node)};
    if (const Key* key = find_key(name, command)) {
      row.section = key->section;
      row.usual = value_text(*key, usual);
      Settings told = usual;
      if (set_value(*key, row.value, told).empty()) row.value = value_text(*key, told);
    }
    row.differs = row.value != row.usual;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace rtdetr
