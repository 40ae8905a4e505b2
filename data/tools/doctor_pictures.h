#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/tools/doctor.h"

/// Parts of the doctor; not for other folders.
namespace rtdetr {

struct NamedDataset {
  std::string key;
  Dataset dataset;
};

struct NearPair;

struct CheckedPictures {
  std::vector<std::int64_t> undecodable;  ///< pictures of each split that cannot be decoded
  std::vector<NearPair> near_pairs;       ///< near_duplicates.h; those of equal bytes are left out
};

/// Reads and decodes every picture once, but for those that reading the split showed to be unreadable: reports what
/// cannot be decoded, is not of its annotated size, has the same bytes as another, in its split or in another one, or
/// looks like one of another split.
CheckedPictures check_pictures(const std::vector<NamedDataset>& splits, const CheckOptions& options,
                               ProblemCollector& problems);

}  // namespace rtdetr
