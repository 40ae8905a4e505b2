#pragma once

#include "core/base/precision.h"
#include "core/tensor/tensor_file.h"

namespace rtdetr {

/// The tensors with their real numbers in another type, each rounded once, to the nearest; integers stay.
/// @throws ConfigError  naming the tensor and the number that fp16 cannot hold
TensorMap in_number_type(const TensorMap& tensors, Precision type);

}  // namespace rtdetr
