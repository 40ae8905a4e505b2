#pragma once

#include "core/ops/packed/number_format.h"

namespace rtdetr {

/// Milliseconds of a product of a model's size on one thread, the shortest of several. An instruction for narrow
/// numbers says little: some processors have one that is slower than their float32.
double product_milliseconds(NumberFormat format);

}  // namespace rtdetr
