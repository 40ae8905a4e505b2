#include "train/input_files.h"

#include <filesystem>

#include "core/io/error.h"
#include "core/io/shipped_files.h"
#include "train/data_argument.h"
#include "train/keys.h"

namespace rtdetr {

void require_input_file(const Settings& settings, const std::string& key, const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) return;
  const std::string hint = nearest_file(key == "data" ? "datasets" : "", path);
  throw ConfigError(key + "=" + path + settings.origin_of(key) + ": no such file or folder" + hint);
}

void require_input_files(const Settings& settings) {
  for (const char* name : {"data", "annotations", "images", "results"}) {
    const Key& key = *find_key(name);
    const std::string path = value_text(key, settings);
    if (!path.empty()) require_input_file(settings, name, path);
    if (key.name == "data") refuse_other_than_yaml(settings, path);
  }
}

}  // namespace rtdetr
