#include "core/ops/autocast.h"

#include <ATen/autocast_mode.h>
#include <torch/types.h>

#include "core/base/check.h"
#include "core/ops/cuda_plugin.h"

namespace rtdetr {

AutocastScope::AutocastScope(Precision precision, torch::Device device)
    : active_(precision != Precision::kFloat32), device_(device.type()) {
  RTDETR_CHECK(precision != Precision::kInt8, "a plain model has no int8");
  if (!active_) return;
  was_enabled_ = at::autocast::is_autocast_enabled(device_);
  type_before_ = at::autocast::get_autocast_dtype(device_);
  at::autocast::set_autocast_dtype(device_, precision == Precision::kBFloat16 ? torch::kBFloat16 : torch::kHalf);
  at::autocast::set_autocast_enabled(device_, true);
  at::autocast::increment_nesting();
}

AutocastScope::~AutocastScope() {
  if (!active_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_, was_enabled_);
  at::autocast::set_autocast_dtype(device_, type_before_);
}

/// By the older switches: the newer ones leave the older behind, and products refuse to run where the two differ.
void allow_tf32(bool allowed) {
  at::globalContext().setAllowTF32CuBLAS(allowed);
  at::globalContext().setAllowTF32CuDNN(allowed);
}

bool computes_bfloat16(torch::Device device) {
  if (!device.is_cuda()) return true;
  const CudaPlugin* plugin = cuda_plugin();
  return plugin != nullptr && plugin->computes_bfloat16 != nullptr && plugin->computes_bfloat16(device.index());
}

torch::Tensor within_float16(const torch::Tensor& x) {
  return x.scalar_type() == torch::kHalf ? x.clamp(-kFloat16Max, kFloat16Max) : x;
}

torch::Tensor residual(const torch::Tensor& x, const torch::Tensor& y) {
  const torch::Tensor sum = x + y;
  return y.scalar_type() == torch::kHalf ? sum.clamp(-kFloat16Max, kFloat16Max) : sum;
}

}  // namespace rtdetr
