#pragma once

#include <cstdint>

#include "models/deploy/part_follower.h"
#include "models/graph/model.h"

/// How large a model is.
namespace rtdetr {

/// Counts the parameters that the references' own deployment leaves, as their tables do; the model is not changed.
/// Official models: RepVGG branches in one kernel, no denoising embedding; BatchNorm and layers that do not run stay.
/// Ultralytics: BatchNorm folded, the embedding stays. `fuse` does all of it, so that an exported file has fewer.
std::int64_t count_deployed_parameters(const DetectionModelImpl& model);

/// Counts the floating-point operations of one image, as the published figures are: 2 per multiply-add of convolutions
/// and linear layers; attention's own products are left out; the box head of query selection counts for every token
/// though ours runs it on the selected ones alone. The official figures are those of the fused model. Shapes alone are
/// passed through, so that neither weights nor their size matter.
PartNumbers count_part_gflops(const DetectionModel& model, std::int64_t height, std::int64_t width);
/// The sum of its parts.
double count_gflops(const DetectionModel& model, std::int64_t height, std::int64_t width);

}  // namespace rtdetr
