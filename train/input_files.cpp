#include "train/input_files.h"

#include <filesystem>
#include <vector>

#include "core/io/error.h"
#include "core/io/text.h"
#include "train/keys.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

/// "; did you mean 'FOLDER/NAME'?"
std::string nearest_in(const fs::path& folder, const std::string& name) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder.empty() ? "." : folder, ignored)) {
    names.push_back(entry.path().filename().string());
  }
  const auto nearest = nearest_word(name, names);
  return nearest ? "; did you mean '" + (folder / *nearest).string() + "'?" : "";
}

}  // namespace

void require_input_file(const Settings& settings, const std::string& key, const std::string& path) {
  std::error_code ignored;
  if (fs::exists(path, ignored)) return;
  const fs::path file = path;
  std::string hint = nearest_in(file.parent_path(), file.filename().string());
  if (hint.empty() && key == "data" && !file.has_parent_path()) hint = nearest_in("configs/datasets", path);
  throw ConfigError(key + "=" + path + settings.origin_of(key) + ": no such file or folder" + hint);
}

void require_input_files(const Settings& settings) {
  for (const char* name : {"data", "annotations", "images", "results"}) {
    const Key& key = *find_key(name);
    const std::string path = value_text(key, settings);
    if (!path.empty()) require_input_file(settings, name, path);
  }
}

}  // namespace rtdetr
