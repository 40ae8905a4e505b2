#pragma once

#include <initializer_list>

#include <torch/types.h>

#include "core/base/error.h"

namespace rtdetr {

/// Checks a tensor's shape; -1 stands for any size.
/// @throws InternalError  "pred_boxes: want [2, 300, 4], have [2, 300, 5]"
void check_shape(const torch::Tensor& tensor, std::initializer_list<std::int64_t> shape, const char* name);

}  // namespace rtdetr
