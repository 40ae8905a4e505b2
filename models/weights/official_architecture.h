#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/graph/model_spec.h"
#include "models/weights/dfine_twin.h"
#include "models/weights/foreign_family.h"

namespace rtdetr {

/// What weights do not show, from beside them.
struct OfficialHints {
  std::optional<std::int64_t> queries;
  std::optional<std::int64_t> decoder_heads, encoder_heads;
  std::optional<bool> discrete_sampling;
  /// Hugging Face freezes the norms of every backbone, so that frozen ones say nothing about the model, and runs every
  /// decoder layer.
  bool hugging_face = false;
  TwinClues twins;  ///< of an official file
};

struct OfficialArchitecture {
  ModelSpec spec;
  std::string words;                 ///< "RT-DETRv2 with ResNet-50-vd, 6 decoder layers, 80 classes: …"
  std::vector<std::string> assumed;  ///< as Architecture's
};

/// The model whose weights have these names, those of the official code: the zoo's, or a YAML of its family with the
/// widths, depths, points and layers found.
/// @param shapes  by the names in the model's state
/// @param origin  what messages call the file
/// @throws CheckpointError  for what the family cannot be, saying what to do
OfficialArchitecture official_architecture(const ShapeMap& shapes, const OfficialHints& hints,
                                           const std::string& origin);

}  // namespace rtdetr
