#pragma once

namespace rtdetr {

/// How a picture of any shape becomes the network's input.
enum class Fit {
  kStretch,    ///< both sides become the input's, whatever the shape; RT-DETR's pipeline
  kLetterbox,  ///< as large as it fits with its shape, in the middle, grey around it; Ultralytics' pipeline
  kKeepRatio,  ///< a length for the shorter side and a limit for the longer; pictures of a batch are padded, and the
               ///< model leaves padding out; DETR's pipeline
};

}  // namespace rtdetr
