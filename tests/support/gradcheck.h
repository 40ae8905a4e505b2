#pragma once

#include <algorithm>
#include <cmath>
#include <functional>

#include <torch/autograd.h>
#include <torch/types.h>

namespace rtdetr::test {

/// Largest difference between the gradient of a scalar function and its central finite differences, relative to the
/// largest gradient (at least 1). `x` is float64, on any device.
inline double gradient_error(const std::function<torch::Tensor(const torch::Tensor&)>& function, const torch::Tensor& x,
                             double step = 1e-6) {
  const torch::Tensor input = x.detach().clone().set_requires_grad(true);
  const torch::Tensor gradient = torch::autograd::grad({function(input)}, {input})[0].cpu().contiguous();
  const torch::NoGradGuard no_grad;
  torch::Tensor moved = x.detach().cpu().clone().contiguous();
  double* number = moved.data_ptr<double>();
  const double* analytic = gradient.const_data_ptr<double>();
  double worst = 0, largest = 1;
  for (std::int64_t i = 0; i < moved.numel(); ++i) {
    const double before = number[i];
    number[i] = before + step;
    const double above = function(moved.to(x.device())).item<double>();
    number[i] = before - step;
    const double below = function(moved.to(x.device())).item<double>();
    number[i] = before;
    worst = std::max(worst, std::abs((above - below) / (2 * step) - analytic[i]));
    largest = std::max(largest, std::abs(analytic[i]));
  }
  return worst / largest;
}

}  // namespace rtdetr::test
