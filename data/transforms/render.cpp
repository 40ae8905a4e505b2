#include "data/transforms/render.h"

namespace rtdetr {

void render(const Picture& picture, const Geometry& geometry, const Photometric& photometric, Resampling resampling,
            const ChwView& out) {
  const Picture* shown = &picture;
  Picture turned;
  if (geometry.quarter_turn) {
    turned = turn_clockwise(picture);
    shown = &turned;
  }
  // Colours change pixel by pixel, so they may be changed after the turn.
  thread_local Picture coloured;
  if (photometric.changes_anything()) {
    apply_photometric(photometric, *shown, geometry.window, coloured);
    shown = &coloured;
  }
  resize_to_chw_float(*shown, geometry.window, resampling, out);
}

void set_boxes(const std::vector<LabelledBox>& boxes, float width, float height, Batch::Image& target) {
  target.labels.clear();
  target.boxes_cxcywh.clear();
  for (const LabelledBox& box : boxes) {
    const auto [x0, y0, x1, y1] = box.xyxy;
    target.labels.push_back(box.label);
    target.boxes_cxcywh.insert(target.boxes_cxcywh.end(),
                               {(x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height});
  }
}

}  // namespace rtdetr
