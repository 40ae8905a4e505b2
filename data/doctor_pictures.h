#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/doctor.h"

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

/// What is right in form and still bad for training: boxes that stand twice, more boxes than queries, classes without
/// boxes, imbalance.
void find_bad_training(const NamedDataset& split, const SplitReport& report, const CheckOptions& options,
                       ProblemCollector& problems);

/// Sentences for the report's end. Needs its splits and problems.
std::vector<std::string> advise(const DatasetReport& report, const CheckOptions& options);

}  // namespace rtdetr
