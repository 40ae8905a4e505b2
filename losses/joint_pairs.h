#pragma once

#include <vector>

#include "losses/hungarian_matcher.h"

namespace rtdetr {

/// The pairs that any of the output sets has found, so that all of them learn boxes from the same and more pairs
/// (D-FINE's GO-LSD): of several targets a query keeps the one that most sets gave it, of those as often given the
/// first. A target may keep several queries.
///
/// @param sets  S × B
/// @return      B; queries ascending
std::vector<Match> joint_pairs(const std::vector<std::vector<Match>>& sets);

}  // namespace rtdetr
