#include "train/input_files.h"

#include <filesystem>
#include <vector>

#include "core/io/error.h"
#include "core/io/shipped_files.h"
#include "train/keys.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

/// "; did you mean 'FOLDER/data.yaml'?" if the folder holds one YAML, or one of the usual name.
std::string yaml_in(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code fault;
  for (fs::directory_iterator at(folder, fault), end; !fault && at != end; at.increment(fault)) {
    const fs::path file = at->path();
    if (file.extension() != ".yaml" && file.extension() != ".yml") continue;
    if (file.stem() == "data" || file.stem() == "dataset") return "; did you mean '" + file.string() + "'?";
    found.push_back(file);
  }
  return found.size() == 1 ? "; did you mean '" + found.front().string() + "'?" : "";
}

/// What people give for the YAML of a data set, in words; "" for what may be one.
std::string no_data_yaml(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored))
    return "is a folder; the YAML that describes the data set is wanted" + yaml_in(path);
  if (path.extension() == ".json") {
    return "is an annotation file; write a YAML with the line 'train: {images: FOLDER, annotations: " +
           path.filename().string() + "}', or check annotations=" + path.string() + " images=FOLDER";
  }
  for (const char* suffix : {".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"}) {
    if (path.extension() == suffix) return "is an archive; unpack it and give the YAML that describes the data set";
  }
  return "";
}

}  // namespace

void require_input_file(const Settings& settings, const std::string& key, const std::string& path) {
  std::error_code ignored;
  if (fs::exists(path, ignored)) {
    const std::string fault = key == "data" ? no_data_yaml(path) : "";
    if (fault.empty()) return;
    throw ConfigError(key + "=" + path + settings.origin_of(key) + " " + fault);
  }
  const std::string hint = nearest_file(key == "data" ? "datasets" : "", path);
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
