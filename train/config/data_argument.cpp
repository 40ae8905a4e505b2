#include "train/config/data_argument.h"

#include <filesystem>
#include <vector>

#include "core/base/error.h"

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
std::string other_than_yaml(const fs::path& path) {
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

void refuse_other_than_yaml(const Settings& settings, const std::string& path) {
  const std::string fault = path.empty() ? "" : other_than_yaml(path);
  if (!fault.empty()) throw ConfigError("data=" + path + settings.origin_of("data") + " " + fault);
}

}  // namespace rtdetr
