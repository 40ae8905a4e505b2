#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/base/precision.h"
#include "core/image/image_size.h"
#include "core/io/file.h"
#include "core/tensor/tensor_file.h"
#include "models/graph/model.h"

/// Files for the official code, RT-DETR v1 and v2 for PyTorch, from models with its graph.
namespace rtdetr {

/// Why that code cannot hold this model, a reason each, with what to do; empty if it can.
std::vector<std::string> official_obstacles(const DetectionModel& model);

/// What that code's strict load_state_dict wants: the model's state, and for v2 the anchors and their mask, which that
/// code has as buffers, of the size that its configuration calls eval_spatial_size.
TensorMap official_state(const DetectionModel& model, const ImageSize& size);

/// Writes {'ema': {'module': state}}, as the released files are, for torch.load with weights_only=True.
void save_official_file(const std::filesystem::path& file, const TensorMap& state, const AtomicWriteOptions& options);

}  // namespace rtdetr
