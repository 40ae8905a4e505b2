#pragma once

#include "models/graph/build_options.h"
#include "models/graph/model_spec.h"

namespace rtdetr {

/// The model file with the overrides written into it (nc, scale, queries, decoder layers), so that the text a
/// checkpoint keeps builds the same model without them. Unchanged, text included, if nothing differs.
/// @throws ConfigError  for an override the model has no argument for; ModelError if the result cannot be built
ModelSpec resolve_spec(const ModelSpec& spec, const BuildOptions& options);

}  // namespace rtdetr
