#pragma once

#include <torch/types.h>

#include "core/base/precision.h"

namespace rtdetr {

/// Autocast for as long as the object lives, on this thread: products and convolutions are computed in the half type,
/// their weights converted on the way. Losses and backward belong outside.
class AutocastScope {
 public:
  AutocastScope(Precision precision, torch::Device device);
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  bool active_;
  bool was_enabled_ = false;
  torch::ScalarType type_before_ = torch::kBFloat16;
  torch::DeviceType device_;
};

/// Whether products and convolutions of float32 may round their factors to 10 bits (TF32) on a card. Of the process;
/// the CPU's numbers do not depend on it. LibTorch begins with convolutions that may and products that may not.
void allow_tf32(bool allowed);

/// Whether the device has instructions for bfloat16: every CPU (of what speed, it does not say), and cards from compute
/// capability 8.0 on; the others take ten times as long. For a card its plug-in was loaded (cuda_plugin.h).
bool computes_bfloat16(torch::Device device);

/// float16 ends at 65504, and what is larger is infinite: after the next normalisation the whole token is not a number.
inline constexpr double kFloat16Max = 65504;

/// `x` with infinities of float16 as its largest numbers; of every other type `x` itself. NaN stays.
torch::Tensor within_float16(const torch::Tensor& x);
/// x + y. If y was computed in float16, the sum has no infinity either, whatever type it has.
torch::Tensor residual(const torch::Tensor& x, const torch::Tensor& y);

}  // namespace rtdetr
