#include "core/ops/peak_rate.h"

#include <algorithm>

#include <torch/types.h>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/ops/compute_threads.h"
#include "core/ops/device.h"
#include "core/ops/linear.h"

namespace rtdetr {
namespace {

torch::ScalarType type_of(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return torch::kFloat32;
    case Precision::kBFloat16:
      return torch::kBFloat16;
    case Precision::kFloat16:
      return torch::kFloat16;
    case Precision::kInt8:
      return torch::kInt8;
  }
  throw InternalError("a precision that is none");
}

}  // namespace

double peak_rate(torch::Device device, Precision precision, int threads) {
  constexpr double kSeconds = 0.2;
  const std::int64_t side = device.is_cpu() ? 1024 : 4096;
  const double operations = 2.0 * static_cast<double>(side) * static_cast<double>(side) * static_cast<double>(side);
  const c10::InferenceMode inference;
  const ComputeThreads of_call(threads);
  const auto options = torch::TensorOptions(device).dtype(type_of(precision));
  const torch::Tensor a = torch::ones({side, side}, options), b = torch::ones({side, side}, options);
  double best = 0;
  const Stopwatch all;
  for (int run = 0; run < 2 || all.seconds() < kSeconds; ++run) {
    const Stopwatch watch;
    if (precision == Precision::kInt8)
      at::_int_mm(a, b);
    else
      rtdetr::linear(a, b, torch::Tensor());
    wait_for(device);
    best = std::max(best, operations / watch.seconds() * 1e-9);
  }
  return best;
}

}  // namespace rtdetr
