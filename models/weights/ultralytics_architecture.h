#pragma once

#include <optional>
#include <string>

#include "core/weights/weights_file.h"
#include "models/weights/architecture.h"
#include "models/weights/foreign_family.h"

namespace rtdetr {

/// The model in a file of Ultralytics, RT-DETR or YOLOv8: the YAML that the pickled object carries, or, of tensors
/// alone, the zoo's model that has them.
/// @param given  wins over the object's YAML
/// @throws CheckpointError, ModelError
Architecture ultralytics_architecture(const WeightsFile& file, const ForeignPlace& place,
                                      const std::optional<ModelSpec>& given, const std::string& origin);

}  // namespace rtdetr
