#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/graph/model.h"

namespace rtdetr {

/// The numbers that a config of Hugging Face has for a model's backbone and encoder; those of its decoder are
/// DecoderOptions'.
struct HuggingFaceNumbers {
  bool bottleneck = false, frozen_norms = false;
  std::int64_t embedding = 64;               ///< channels of the stem
  std::vector<std::int64_t> widths, depths;  ///< of the four stages; widths before a bottleneck's factor of 4
  std::int64_t encoder_width = 256, encoder_hidden = 1024, encoder_heads = 8;
  double expansion = 1;
  bool operator==(const HuggingFaceNumbers&) const = default;
};

/// The numbers of a model whose rows are those of that graph.
/// @param obstacles  receives the rows that are not
HuggingFaceNumbers hugging_face_numbers(const DetectionModel& model, std::vector<std::string>& obstacles);

}  // namespace rtdetr
