#pragma once

#include <string>

#include "core/io/safetensors.h"

namespace rtdetr {

/// SHA-256 over a checkpoint's state: name, type, shape and bytes of every entry in name order, then the metadata's
/// step and epoch. Two checkpoints have the same hash if and only if training would go on the same way from both; run
/// names, folders, times and versions do not enter. Streams the payload.
std::string state_hash(const SafetensorsReader& file);

}  // namespace rtdetr
