#pragma once

#include "models/weights/official_architecture.h"
#include "models/weights/official_rows.h"

namespace rtdetr {

/// Whether weights with the official keys are D-FINE's, DEIM's on D-FINE, or DEIMv2's.
bool is_dfine(const OfficialShapes& shapes);

/// The zoo's model of D-FINE, DEIM or DEIMv2 whose backbone they have, with their number of classes.
/// @param classes  of their scores
/// @throws CheckpointError  for another backbone
OfficialArchitecture dfine_architecture(const OfficialShapes& shapes, std::int64_t classes, const OfficialHints& hints);

}  // namespace rtdetr
