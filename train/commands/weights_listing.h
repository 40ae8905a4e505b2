#pragma once

#include "train/config/settings.h"

namespace rtdetr {

/// What `info` says of a file of weights that is no model of ours: its tensors, and as JSON its numbers and texts too.
/// @throws CheckpointError, IoError
void list_weights(const Settings& settings);

}  // namespace rtdetr
