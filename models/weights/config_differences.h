#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "models/graph/model_spec.h"
#include "models/weights/official_architecture.h"

/// Weights of Hugging Face for a model that is given: what the config.json beside them says and shapes do not show.
namespace rtdetr {

/// Where the model computes something else than the config says: "encoder_attention_heads is 4, and the model has 8".
/// @throws ModelError  for a model that cannot be built
std::vector<std::string> config_differences(const OfficialHints& config, const ModelSpec& model);

/// @param was_given  the model was given, not recognised
/// @param origin     what messages call the weights
/// @throws CheckpointError  if there are any, saying what to do
void refuse_config_differences(const OfficialHints& config, const ModelSpec& model, bool was_given,
                               const std::string& origin);

/// For a training that begins with the weights, whatever they computed: the same in one line, or what models of ours
/// cannot do as the config or preprocessor_config.json says. Empty if it is all the same.
/// @param weights   a file or its folder
/// @param of_dfine  they are D-FINE's
/// @throws IoError
std::string config_remark(const std::filesystem::path& weights, bool of_dfine, const ModelSpec& model);

}  // namespace rtdetr
