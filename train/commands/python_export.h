#pragma once

#include "core/base/error.h"
#include "train/config/settings.h"

namespace rtdetr {

/// `export` in the formats that programs in Python read: the whole model, not fused, so that it can be trained on.
/// Every tensor of what was written is compared bit by bit before it gets its name.
/// @throws ConfigError  for a model that the other program cannot build, with each reason
ExitCode export_for_python(const Settings& settings);

}  // namespace rtdetr
