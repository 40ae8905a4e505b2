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

/// Reads and decodes every picture once, but for those that reading the split showed to be unreadable: reports what
/// cannot be decoded, is not of its annotated size, or has the same bytes as another, in its split or in another one.
/// @return  how many pictures of each split cannot be decoded
std::vector<std::int64_t> check_pictures(const std::vector<NamedDataset>& splits, const CheckOptions& options,
                                         ProblemCollector& problems);

}  // namespace rtdetr
