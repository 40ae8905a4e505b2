#pragma once

#include <torch/types.h>

namespace rtdetr {

/// Makes the gradients of one process those of the whole job: their average over the ranks. ProcessGroup::make_reducer
/// makes one.
///
/// A parameter that got no gradient on this rank counts as zero, and has the average afterwards like everyone's; one
/// that got none on any rank has none afterwards. So ranks may differ in what they use, and an optimizer does the same
/// on all of them.
class GradientReducer {
 public:
  virtual ~GradientReducer() = default;
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  /// The backward pass that completes the gradients of a step, then their average. Passes before it, whose gradients
  /// they are added to, are ordinary ones: nothing is sent for them.
  /// @throws Error  kPeer, as every collective of a ProcessGroup
  virtual void backward(const torch::Tensor& loss) = 0;

 protected:
  GradientReducer() = default;
};

}  // namespace rtdetr
