#include "train/config/input_files.h"

#include <filesystem>

#include "core/base/error.h"
#include "core/base/installation.h"
#include "core/io/shipped_files.h"
#include "models/graph/model_files.h"
#include "train/config/data_argument.h"
#include "train/config/keys.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

/// A folder is given as a model: perhaps a run's.
std::string folder_hint(const fs::path& folder) {
  std::error_code ignored;
  const fs::path best = folder / "best.safetensors";
  if (fs::exists(best, ignored)) return "; its weights are model=" + best.string();
  return ", neither a model YAML nor a checkpoint";
}

/// Of weights that are called as a model that comes along, which Ultralytics would download; "" for others.
std::string hint_at_weights(const fs::path& file) {
  const std::string extension = file.extension().string(), name = file.stem().string();
  const bool holds_weights = extension == ".pt" || extension == ".pth" || extension == ".safetensors";
  if (!holds_weights || find_model_file(name).empty()) return "";
  return ", and weights are not downloaded; model=" + name + " trains from scratch, " +
         readable_page("docs/howto/bring_weights.md") + " says where weights come from";
}

/// model=: a file, or the name of a model that comes along.
void require_model(const Settings& settings) {
  const fs::path name = settings.model;
  std::error_code ignored;
  const std::string where = "model=" + settings.model + settings.origin_of("model") + ": ";
  const bool of_hugging_face = fs::exists(name / "config.json", ignored) && settings.command != Command::kTrain;
  if (name.empty() || !find_model_file(name).empty()) return;  // whatever folder has its name
  if (fs::is_directory(name, ignored) && !of_hugging_face) throw ConfigError(where + "is a folder" + folder_hint(name));
  if (fs::exists(name, ignored)) return;
  if (const std::string hint = hint_at_weights(name); !hint.empty())
    throw ConfigError(where + "no such file" + hint + nearest_file("", name));
  const std::string nowhere = name.has_parent_path() ? "" : ", and no such name among the models that come along";
  throw ConfigError(where + "no such file" + nowhere + nearest_file("models", name));
}

}  // namespace

void require_input_file(const Settings& settings, const std::string& key, const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) return;
  const std::string hint = key == "weights" ? hint_at_weights(path) : "",
                    kind = key == "data" || key == "verify" || key == "calibrate" ? "datasets" : "";
  throw ConfigError(key + "=" + path + settings.origin_of(key) + ": no such file or folder" + hint +
                    nearest_file(kind, path));
}

void require_input_files(const Settings& settings) {
  for (const char* name : {"data", "annotations", "images", "results"}) {
    const Key& key = *find_key(name);
    const std::string path = value_text(key, settings);
    if (!path.empty()) require_input_file(settings, name, path);
    if (key.name == "data") refuse_other_than_yaml(settings, path);
  }
  if (settings.command == Command::kConvert && !settings.weights.empty())
    require_input_file(settings, "weights", settings.weights);
  require_model(settings);
}

}  // namespace rtdetr
