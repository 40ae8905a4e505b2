#pragma once

#include <string>

#include "models/weights/architecture.h"
#include "models/weights/weight_reading.h"

namespace rtdetr {

/// The model in a file of IDEA-Research/DINO, whose names are ours: DINO-4scale with ResNet-50.
/// @throws CheckpointError  for another backbone, number of maps or of layers
Architecture dino_architecture(const ShapeMap& shapes, const std::string& origin);

}  // namespace rtdetr
