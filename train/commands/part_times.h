#pragma once

#include <array>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "core/base/precision_type.h"
#include "core/image/image_size.h"
#include "models/deploy/part_follower.h"
#include "models/graph/model.h"
#include "train/commands/stage_timer.h"

/// What backbone, encoder and decoder take of a forward pass.
namespace rtdetr {

struct PartRuns {
  ImageSize size;
  torch::Device device = torch::kCPU;
  Precision precision = Precision::kFloat32;
  int threads = 0;  ///< 0 = as it is
  std::int64_t warm_up = 3, runs = 20;
};

using PartSpreads = std::array<Spread, kForwardParts.size()>;
struct PartTimes {
  std::optional<PartSpreads>
      unfused;     ///< with BatchNorm and RepConv's branches as in training; of a file that has them
  PartSpreads ms;  ///< fused
  PartNumbers gflops{};
};

/// Runs the plain model as it is and fused, which it is afterwards, on a picture of noise: the CPU engine's steps go
/// across parts.
PartTimes measure_parts(DetectionModel model, const PartRuns& runs);

std::string parts_table(const PartTimes& times);
nlohmann::ordered_json parts_json(const PartTimes& times);

}  // namespace rtdetr
