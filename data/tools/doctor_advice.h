#pragma once

#include <string>
#include <vector>

#include "data/tools/doctor_pictures.h"

/// Parts of the doctor; not for other folders.
namespace rtdetr {

/// Reports in `problems` what is right in form and still bad for training: boxes that stand twice, more boxes than
/// queries, classes without boxes, imbalance.
void find_bad_training(const NamedDataset& split, const SplitReport& report, const CheckOptions& options,
                       ProblemCollector& problems);

/// Returns sentences for the report's end. Needs its splits and problems.
std::vector<std::string> advise(const DatasetReport& report, const CheckOptions& options);

}  // namespace rtdetr
