#pragma once

#include <vector>

#include "core/image/picture.h"
#include "core/plot/draw.h"
#include "data/dataset/dataset.h"

namespace rtdetr {

/// The training boxes of a picture with their classes' names, ready to be drawn.
std::vector<DrawnBox> label_boxes(const Dataset& dataset, const Dataset::PictureEntry& entry);

/// Up to `tiles` pictures, evenly spread over the data set, with their boxes and file names. Pictures that cannot be
/// read are passed over.
Picture draw_label_sheet(const Dataset& dataset, int tiles);

}  // namespace rtdetr
