#pragma once

#include "core/base/cpp20.h"

#include <cstddef>
#include <cstdint>
#include <span>

#include "data/dataset/dataset.h"

namespace rtdetr {

/// `count` of the data set's pictures, spread evenly over its order, with what the metric knows of them; all if it has
/// no more.
Dataset spread_subset(Dataset dataset, std::size_t count);

/// Leaves the data set's boxes, and what the metric knows, with these classes alone; empty: with all. Pictures stay,
/// and so do `classes`.
/// @param labels  places in `classes`
Dataset with_classes(Dataset dataset, std::span<const std::int64_t> labels);

}  // namespace rtdetr
