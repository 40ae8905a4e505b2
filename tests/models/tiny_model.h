#pragma once

#include <string>

#include "models/graph/model.h"
#include "models/graph/model_files.h"

namespace rtdetr::test {

/// Three strided convolutions and a small decoder: builds and runs in milliseconds. Strides 8, 16, 32; 3 classes.
inline const std::string kTinyModel = R"(nc: 3
backbone:
  - [-1, 1, ConvNorm, [16, 3, 8, relu]]
  - [-1, 1, ConvNorm, [16, 3, 2, relu]]
  - [-1, 1, ConvNorm, [16, 3, 2, relu]]
head:
  - [[0, 1, 2], 1, RTDETRDecoder, [nc, {variant: v2, dim: 16, queries: 10, heads: 2, layers: 3, ffn: 32, denoising: 6}], decoder]
)";

inline DetectionModel tiny_model(std::uint64_t seed = 0) {
  BuildOptions options;
  options.seed = seed;
  ModelSpec spec = parse_model_spec(kTinyModel, "tiny.yaml");
  spec.name = "tiny";
  DetectionModel model = build_model(spec, options);
  model->eval();
  return model;
}

}  // namespace rtdetr::test
