#pragma once

#include <vector>

#include <torch/types.h>

#include "core/tensor/detection.h"

namespace rtdetr {

/// Brings tensors to the host, all of them in one copy, for which the host waits once. What lies there already is
/// handed on.
///
/// @param there  on one device, of any shapes and types; some may lie on the host
/// @return       in their order, contiguous where they were copied
std::vector<torch::Tensor> download(const std::vector<torch::Tensor>& there);

/// The same for the detections of many pictures.
std::vector<Detections> download(const std::vector<Detections>& there);

}  // namespace rtdetr
