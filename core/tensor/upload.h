#pragma once

#include <vector>

#include <torch/types.h>

namespace rtdetr {

/// Brings tensors of the host to a device, all in one copy that the host does not wait for: by way of pinned memory,
/// which LibTorch keeps until the copy is done. A plain `to(device)` waits, each time, for all that the device was
/// given before. On the CPU these are the tensors themselves.
///
/// @param host  on the CPU, of any shapes and types
/// @return      in their order; on another device views of one memory
std::vector<torch::Tensor> upload(const std::vector<torch::Tensor>& host, torch::Device device);
torch::Tensor upload(const torch::Tensor& host, torch::Device device);

}  // namespace rtdetr
