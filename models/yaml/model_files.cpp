#include <regex>

#include "core/io/error.h"
#include "core/io/file.h"
#include "core/io/shipped_files.h"
#include "core/io/text.h"
#include "models/yaml/model_spec.h"

/// Which file a model's name means.
namespace rtdetr {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestModelFile = std::size_t{1} << 20;

/// The scale letter of `yolov8n-rtdetr`, and the stem without it. Only names of this family carry one.
struct LetteredName {
  std::string letter, stem;
};
LetteredName split_scale_letter(const std::string& stem) {
  static const std::regex kPattern("(yolo(?:e-)?v?\\d+)([nslmx])(.*)");
  std::smatch match;
  if (!std::regex_match(stem, match, kPattern)) return {"", stem};
  return {match[2].str(), match[1].str() + match[3].str()};
}

}  // namespace

ModelSpec load_model_spec(const fs::path& file, const std::string& scale) {
  fs::path wanted = file;
  if (!wanted.has_extension()) wanted += ".yaml";
  const LetteredName name = split_scale_letter(wanted.stem().string());
  fs::path found = find_shipped_file("models", wanted);
  if (found.empty())
    found = find_shipped_file("models", wanted.parent_path() / (name.stem + wanted.extension().string()));
  if (found.empty()) {
    throw ConfigError("model '" + file.string() + "': no such file, and no such name among the models that come along" +
                      did_you_mean(wanted.filename().string(), shipped_names("models")));
  }
  ModelSpec spec =
      parse_model_spec(read_text_file(found, kLargestModelFile), found.string(), scale.empty() ? name.letter : scale);
  spec.name = wanted.stem().string();
  return spec;
}

}  // namespace rtdetr
