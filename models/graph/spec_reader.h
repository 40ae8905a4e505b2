#pragma once

#include <string>

#include "core/io/yaml.h"
#include "models/graph/model_spec.h"

namespace rtdetr {

class ModelMistakes;

/// The top level of a model YAML and the form of its rows; what rows mean is graph_plan's. Name, origin and text stay
/// empty. Rows with a mistake lose their module.
/// @param scale  letter of the file's scales; "" = the one that the file names, or its first
ModelSpec read_model_spec(const YamlNode& root, const std::string& scale, ModelMistakes& mistakes);

}  // namespace rtdetr
