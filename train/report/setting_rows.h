#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/io/yaml.h"
#include "train/config/settings.h"

namespace rtdetr {

/// A setting beside what the command does without it.
struct SettingRow {
  std::string section;  ///< heading of the key table; "" for a key that there is no more
  std::string key;
  std::string value;     ///< as it can be typed
  std::string usual;     ///< the default
  bool differs = false;  ///< from the default
};

/// The keys of an args.yaml, in its order.
std::vector<SettingRow> setting_rows(const YamlDocument& arguments, Command command);

}  // namespace rtdetr
