#pragma once

#include <vector>

#include "core/io/chw.h"
#include "data/geometric.h"
#include "data/photometric.h"
#include "data/sample.h"

namespace rtdetr {

/// Carries out what was drawn for one picture: turns it, changes its colours where the window looks, resizes the
/// window.
void render(const Picture& picture, const Geometry& geometry, const Photometric& photometric, Resampling resampling,
            const ChwView& out);

/// Writes boxes as the model's targets: centre form, fractions of a width × height frame.
/// @param boxes  xyxy, pixels of the frame
void set_boxes(const std::vector<LabelledBox>& boxes, float width, float height, Batch::Image& target);

}  // namespace rtdetr
