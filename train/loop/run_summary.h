#pragma once

#include <string>

#include "train/config/run_length.h"
#include "train/loop/experiment.h"

namespace rtdetr {

/// What is said before the first step: model, data, length, optimizer groups, precision.
std::string describe(const Experiment& experiment);
/// Warns when there are too few steps to begin from nothing, or for the warm-up.
void warn_about_short_run(const Experiment& experiment, const RunLength& length);

}  // namespace rtdetr
