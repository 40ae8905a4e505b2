#pragma once

#include "core/image/image_size.h"
#include "data/dataset/dataset.h"
#include "models/graph/model_spec.h"
#include "train/config/settings.h"
#include "train/run/run_checkpoint.h"

/// What makes two calls of the program parts of one run: the keys that enter its numbers (Key::on_resume), and model
/// and data by what the files hold, not by their names.
namespace rtdetr {

RunIdentity identity_of(const Settings& settings, const ModelSpec& spec, const Dataset& train, const ImageSize& size);

/// The identity in a checkpoint, with what its version did not know yet: keys that came later were at their defaults,
/// and every model was trained with the official loss.
RunIdentity completed(RunIdentity saved);

}  // namespace rtdetr
