#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/graph/model_spec.h"

/// The models that come along, asked whether one of them is meant.
namespace rtdetr {

/// By its name, which may carry a scale letter: the one that comes along, whatever lies in the working folder.
/// @throws ConfigError, ModelError
ModelSpec zoo_model(const std::string& name);

struct ZooQuestion {
  std::string yaml;    ///< of a model
  std::string origin;  ///< what messages call it
  /// Arguments that do not count, where a module has them; the number of classes never does.
  std::vector<std::string> ignored;
};

/// The model file that has the same rows, called by its scale if it has several; nullopt if there is none. A YAML that
/// names no scale is compared with each.
/// @throws ModelError  for a YAML that cannot be a model
std::optional<ModelSpec> zoo_model_like(const ZooQuestion& question);

/// Row by row: where it reads, its module, its arguments, its path. Equal texts build the same model.
/// @param ignored  arguments that do not count, where a module has them
/// @throws ModelError
std::string plan_text(const ModelSpec& spec, const std::vector<std::string>& ignored = {});

}  // namespace rtdetr
