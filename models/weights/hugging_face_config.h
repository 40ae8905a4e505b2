#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/image/image_size.h"
#include "models/weights/official_architecture.h"

/// `config.json` and `preprocessor_config.json`, which Hugging Face's programs write beside weights.
namespace rtdetr {

struct HuggingFaceConfig {
  OfficialHints hints;
  std::vector<std::string> names;  ///< of the classes; empty if it has none
  std::optional<ImageSize> size;   ///< of the input, if there is a preprocessor_config.json
};

/// @param weights   the file of weights; the two lie beside it
/// @param of_dfine  they are D-FINE's, whose config has other fields
/// @return          nullopt if there is no config.json
/// @throws CheckpointError  for a field whose value no YAML of ours can say, by its name; IoError
std::optional<HuggingFaceConfig> read_hugging_face_config(const std::filesystem::path& weights, bool of_dfine);

}  // namespace rtdetr
