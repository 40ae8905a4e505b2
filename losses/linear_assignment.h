#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <span>
#include <vector>

namespace rtdetr {

/// Solves the rectangular linear assignment problem exactly: min(rows, columns) pairs of least total cost, no row and
/// no column twice.
///
/// The costs may be anything. A NaN, +inf or a cost above 1e100 is a forbidden pair: taken only if there is no other
/// way, as few of them as possible. -inf or a cost below -1e100 is a wished pair: as many of them as possible.
///
/// @param costs  rows × columns, row-major; either may be 0
/// @return       `rows` entries: the column of each row, or -1 where there are more rows than columns
/// @throws InternalError  if `costs` has another size
/// @note   O(min² · max) time, O(rows + columns) memory beside the copy of the costs; deterministic; any thread
std::vector<std::int64_t> assign_rows(std::span<const double> costs, std::int64_t rows, std::int64_t columns);

}  // namespace rtdetr
