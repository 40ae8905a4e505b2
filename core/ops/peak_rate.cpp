#include "core/ops/peak_rate.h"

#include <algorithm>

#include <torch/types.h>

#include "core/base/clock.h"
#include "core/ops/compute_threads.h"
#include "core/ops/device.h"
#include "core/ops/linear.h"

namespace rtdetr {

double peak_rate(torch::Device device, Precision precision, int threads) {
  constexpr double kSeconds = 0.2;
  const std::int64_t side = device.is_cpu() ? 1024 : 4096;
  const double operations = 2.0 * static_cast<double>(side) * static_cast<double>(side) * static_cast<double>(side);
  const c10::InferenceMode inference;
  const ComputeThreads of_call(threads);
  const auto type = torch::TensorOptions(device).dtype(precision == Precision::kFloat32    ? torch::kFloat32
                                                       : precision == Precision::kBFloat16 ? torch::kBFloat16
                                                                                           : torch::kFloat16);
  const torch::Tensor a = torch::ones({side, side}, type), b = torch::ones({side, side}, type);
  double best = 0;
  const Stopwatch all;
  for (int run = 0; run < 2 || all.seconds() < kSeconds; ++run) {
    const Stopwatch watch;
    rtdetr::linear(a, b, torch::Tensor());
    wait_for(device);
    best = std::max(best, operations / watch.seconds() * 1e-9);
  }
  return best;
}

}  // namespace rtdetr
