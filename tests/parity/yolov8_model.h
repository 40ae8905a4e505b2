#pragma once

#include "core/tensor/dense_boxes.h"
#include "models/graph/model.h"
#include "tests/parity/fixture.h"

namespace rtdetr::test {

/// The model of a yolov8_* fixture, "yolov8n", filled by the rule with the gain that the fixture says, float64.
DetectionModel build_yolov8(const Fixture& fixture);

/// What its head hands out for the losses.
const DenseExtras& dense_extras_of(const ModelOutput& output);

/// [B, 4 · R, A]: the reference's order of the distributions' logits.
Tensor raw_sides(const DenseExtras& extras);

}  // namespace rtdetr::test
