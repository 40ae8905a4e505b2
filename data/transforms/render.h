#pragma once

#include <vector>

#include "core/image/chw.h"
#include "data/dataset/sample.h"
#include "data/transforms/geometric.h"
#include "data/transforms/photometric.h"

namespace rtdetr {

/// Carries out what was drawn for one picture: turns it, changes its colours where the window looks, resizes the
/// window.
void render(const Picture& picture, const Geometry& geometry, const Photometric& photometric, Resampling resampling,
            const ChwView& out);

/// Writes boxes as the model's targets: centre form, fractions of a width × height frame.
/// @param boxes  xyxy, pixels of the frame
void set_boxes(const std::vector<LabelledBox>& boxes, float width, float height, Batch::Image& target);

}  // namespace rtdetr
