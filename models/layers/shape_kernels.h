#pragma once

namespace rtdetr {

/// Gives LibTorch's meta device (tensors without memory) the operators of our models that it has no C++ kernel for:
/// convolution, norms and attention. They say the result's shape and compute nothing. For the whole process, at
/// the first call; safe from several threads.
void register_shape_kernels();

}  // namespace rtdetr
