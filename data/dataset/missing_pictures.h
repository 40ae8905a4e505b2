#pragma once

#include <string>

#include "data/dataset/dataset.h"

namespace rtdetr {

/// Why pictures are not where their annotations or list say, as far as the disk shows it: they are in another folder,
/// or there with another suffix, in another letter case, with '/' for '\', or with accents and syllables in the pieces
/// in which macOS stores them.
///
/// @return  "; 3 of them are there with another suffix ('p0.jpg' as images/p0.png)"; "" if none is found. Of thousands
///          of missing pictures the first 1,000 are looked for
std::string whereabouts_of_missing(const Dataset& dataset);

}  // namespace rtdetr
