#include "train/optim/precision.h"

#include <algorithm>
#include <limits>

#include <ATen/autocast_mode.h>
#include <torch/torch.h>

#include "core/base/clock.h"
#include "core/ops/device.h"

namespace rtdetr {
namespace {

/// Milliseconds for one convolution of a typical size, forward and backward.
double time_convolution(torch::Tensor& weight, torch::Tensor& input, Precision precision) {
  const Stopwatch watch;
  torch::Tensor output;
  {
    AutocastScope autocast(precision, input.device());
    output = torch::conv2d(input, weight, {}, 1, 1);
  }
  output.sum().backward();
  wait_for(input.device());
  return watch.milliseconds();
}

struct ConvolutionTimes {
  double fp32 = std::numeric_limits<double>::infinity();
  double bf16 = std::numeric_limits<double>::infinity();
};

/// The shortest of many turns, taken alternately: other work on the machine lengthens some, seldom all of one kind.
ConvolutionTimes time_convolutions(torch::Device device) {
  constexpr int kTurns = 20;
  const auto random = [&](at::IntArrayRef shape) {
    return torch::randn(shape, device).contiguous(torch::MemoryFormat::ChannelsLast).requires_grad_();
  };
  torch::Tensor weight = random({64, 64, 3, 3}), input = random({4, 64, 40, 40});
  ConvolutionTimes times;
  for (int turn = 0; turn < kTurns; ++turn) {
    times.fp32 = std::min(times.fp32, time_convolution(weight, input, Precision::kFloat32));
    times.bf16 = std::min(times.bf16, time_convolution(weight, input, Precision::kBFloat16));
  }
  return times;
}

std::string two_digits(double value) {
  std::string text = std::to_string(value);
  return text.substr(0, text.find('.') + 3);
}

}  // namespace

AutocastScope::AutocastScope(Precision precision, torch::Device device)
    : active_(precision == Precision::kBFloat16), device_(device.type()) {
  if (!active_) return;
  was_enabled_ = at::autocast::is_autocast_enabled(device_);
  at::autocast::set_autocast_dtype(device_, torch::kBFloat16);
  at::autocast::set_autocast_enabled(device_, true);
  at::autocast::increment_nesting();
}

AutocastScope::~AutocastScope() {
  if (!active_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_, was_enabled_);
}

PrecisionChoice choose_precision(Amp amp, torch::Device device) {
  if (amp == Amp::kOff) return {Precision::kFloat32, "amp=off: the model runs in fp32"};
  if (amp == Amp::kBFloat16) return {Precision::kBFloat16, "amp=bf16: the model runs in bf16 autocast"};
  const ConvolutionTimes times = time_convolutions(device);
  constexpr double kWorthwhile = 0.8;  // only the convolutions gain this much; the rest of the step does not
  const bool faster = times.bf16 < kWorthwhile * times.fp32;
  return {faster ? Precision::kBFloat16 : Precision::kFloat32,
          "amp=auto: a convolution takes " + two_digits(times.fp32) + " ms in fp32, " + two_digits(times.bf16) +
              " ms in bf16; the model runs in " + (faster ? "bf16 autocast" : "fp32")};
}

}  // namespace rtdetr
