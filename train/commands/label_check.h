#pragma once

#include "train/config/settings.h"
#include "train/report/doubt_report.h"

namespace rtdetr {

/// Runs model= over the splits of data=, or over split= alone, or over annotations= and images=, and notes what it
/// objects to. Detections speak from conf= on, else from the confidence that the model's file says, else from 0.5.
/// @throws ConfigError  for a model without trained weights; DataError  for annotations that cannot be used
DoubtReport check_labels(const Settings& settings);

}  // namespace rtdetr
