#include "train/commands/export_pictures.h"

#include <algorithm>
#include <span>

#include "data/dataset/dataset.h"
#include "train/commands/file_pattern.h"
#include "train/commands/picture_sources.h"
#include "train/config/input_files.h"

namespace rtdetr {

namespace fs = std::filesystem;

bool is_data_set(const std::string& value) {
  const fs::path extension = fs::path(value).extension();
  return extension == ".yaml" || extension == ".yml";
}

std::vector<fs::path> export_pictures(const Settings& settings, const std::string& key, const std::string& value,
                                      const std::vector<std::string>& splits) {
  if (!has_wildcards(value)) require_input_file(settings, key, value);
  if (!is_data_set(value)) return list_pictures(value);
  const DatasetConfig config = load_dataset_config(value);
  const auto split = std::ranges::find_if(splits, [&](const std::string& name) { return config.find(name); });
  const Dataset dataset = load_dataset(config, split == splits.end() ? splits.front() : *split);
  std::vector<fs::path> pictures;
  for (const auto& picture : dataset.pictures) pictures.push_back(picture.file);
  return pictures;
}

torch::Tensor read_input(const fs::path& file, const Settings& settings, const PreprocessOptions& like,
                         PictureWarnings& warnings) {
  const Picture picture = read_picture(file, {.max_pixels = settings.max_pixels});
  warnings.add(file, picture.warnings);
  return preprocess(std::span<const Picture>(&picture, 1), like).images;
}

}  // namespace rtdetr
