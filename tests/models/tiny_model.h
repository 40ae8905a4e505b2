#pragma once

#include <ATen/Parallel.h>
#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "models/graph/model.h"
#include "models/graph/model_files.h"
#include "models/weights/checkpoint.h"

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

/// tiny_model in a file of its own, with the classes a, b, c, for one thread. @return  the file
inline std::filesystem::path save_tiny_model(const std::filesystem::path& file, std::int64_t height = 64,
                                             std::int64_t width = 64) {
  at::set_num_threads(1);
  ModelInfo info;
  info.names = {"a", "b", "c"};
  info.category_ids = {1, 2, 3};
  info.height = height;
  info.width = width;
  save_model(file, tiny_model(), info);
  return file;
}

}  // namespace rtdetr::test
