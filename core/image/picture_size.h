#pragma once

namespace rtdetr {

struct PictureSize {
  int width = 0;
  int height = 0;
};

}  // namespace rtdetr
