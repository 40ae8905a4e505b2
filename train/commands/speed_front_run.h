#pragma once

#include "core/base/error.h"
#include "train/config/settings.h"

namespace rtdetr {

/// `rtdetr benchmark front=true`: AP and milliseconds of one checkpoint at every decoder depth, under several numbers
/// of queries, input sizes and number types.
/// @throws ConfigError  for a model YAML, whose weights have learnt nothing, and for sizes that do not fit the model
ExitCode run_speed_front(const Settings& settings);

}  // namespace rtdetr
