#pragma once

namespace rtdetr {

/// While it lives, what this thread folds (fuse.h) has its shape and no values: for a model that gets its weights
/// afterwards, from a file of a fused one.
class FoldShapesAlone {
 public:
  FoldShapesAlone();
  ~FoldShapesAlone();
  FoldShapesAlone(const FoldShapesAlone&) = delete;
  FoldShapesAlone& operator=(const FoldShapesAlone&) = delete;
};

}  // namespace rtdetr
