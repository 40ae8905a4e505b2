#pragma once

#include <cstdint>
#include <vector>

#include <torch/types.h>

namespace rtdetr::test {

/// Kernels that LibTorch launches on a card for an operator on lists of tensors: one takes so many tensors, and so many
/// pieces of 65536 numbers, as its arguments have room for (ATen/native/cuda/MultiTensorApply.cuh).
/// @param tensors  one of the lists
/// @param lists    of the same length that the kernel walks side by side, 1 to 5
std::size_t list_launches(const std::vector<torch::Tensor>& tensors, std::size_t lists);

}  // namespace rtdetr::test
