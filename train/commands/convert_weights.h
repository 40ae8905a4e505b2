#pragma once

#include "core/base/error.h"
#include "train/config/settings.h"

namespace rtdetr {

/// `convert` with weights=: another program's file, or one of ours, becomes a model file. Says what was recognised and
/// assumed, and what became of every tensor.
/// @throws CheckpointError  for what is not recognised, or lacks something; output= is not touched then
ExitCode convert_weights(const Settings& settings);

}  // namespace rtdetr
