#pragma once

#include <cstddef>

#include "data/dataset/dataset.h"

namespace rtdetr {

/// `count` of the data set's pictures, spread evenly over its order, with what the metric knows of them; all if it has
/// no more.
Dataset spread_subset(Dataset dataset, std::size_t count);

}  // namespace rtdetr
