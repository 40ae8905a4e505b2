#include "train/optim/precision.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <span>
#include <thread>

#include <torch/types.h>

#include "core/base/clock.h"
#include "core/base/cpu_level.h"
#include "core/ops/autocast.h"
#include "core/ops/conv.h"
#include "core/ops/device.h"

namespace rtdetr {
namespace {

/// Milliseconds for one convolution of a typical size, forward and backward.
double time_convolution(torch::Tensor& weight, torch::Tensor& input, Precision precision) {
  const Stopwatch watch;
  torch::Tensor output;
  {
    AutocastScope autocast(precision, input.device());
    output = conv2d(input, weight, {}, ConvWindow{.padding = 1});
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
/// bf16 that takes much longer than fp32 is more likely disturbed than that slow, so it is tried again a moment later.
ConvolutionTimes time_convolutions(torch::Device device) {
  constexpr int kTurns = 20, kMostRounds = 3;
  constexpr double kUnlikely = 1.5;
  constexpr std::chrono::milliseconds kMoment{100};
  const auto random = [&](at::IntArrayRef shape) {
    return torch::randn(shape, device).contiguous(torch::MemoryFormat::ChannelsLast).requires_grad_();
  };
  torch::Tensor weight = random({64, 64, 3, 3}), input = random({4, 64, 40, 40});
  ConvolutionTimes times;
  for (int round = 0; round < kMostRounds; ++round) {
    if (round > 0) std::this_thread::sleep_for(kMoment);
    for (int turn = 0; turn < kTurns; ++turn) {
      times.fp32 = std::min(times.fp32, time_convolution(weight, input, Precision::kFloat32));
      times.bf16 = std::min(times.bf16, time_convolution(weight, input, Precision::kBFloat16));
    }
    if (times.bf16 < kUnlikely * times.fp32) break;
  }
  return times;
}

std::string described(Precision precision, torch::Device device) {
  if (precision == Precision::kFloat32) return "the model runs in fp32";
  const bool slow = precision == Precision::kFloat16 && device.is_cpu();
  return "the model runs in " + precision_name(precision) + " autocast" +
         (slow ? ", which no CPU is fast at: it is there to be tried out" : "");
}

PrecisionChoice fastest_on_card(torch::Device card) {
  const bool has_bf16 = computes_bfloat16(card);
  const Precision precision = has_bf16 ? Precision::kBFloat16 : Precision::kFloat16;
  return {precision, std::string("amp=auto: this card ") + (has_bf16 ? "computes" : "does not compute") + " bf16; " +
                         described(precision, card)};
}

PrecisionChoice faster_on_cpu(torch::Device device) {
  if (!has_bfloat16_products())
    return {Precision::kFloat32,
            "amp=auto: this processor has no bf16 products; " + described(Precision::kFloat32, device)};
  const ConvolutionTimes times = time_convolutions(device);
  constexpr double kWorthwhile = 0.8;  // only the convolutions gain this much; the rest of the step does not
  const Precision precision = times.bf16 < kWorthwhile * times.fp32 ? Precision::kBFloat16 : Precision::kFloat32;
  return {precision, "amp=auto: a convolution takes " + fixed(times.fp32, 2) + " ms in fp32, " + fixed(times.bf16, 2) +
                         " ms in bf16; " + described(precision, device)};
}

}  // namespace

PrecisionChoice choose_precision(Amp amp, torch::Device device) {
  if (amp == Amp::kAuto) return device.is_cuda() ? fastest_on_card(device) : faster_on_cpu(device);
  Precision precision = Precision::kFloat32;
  if (amp == Amp::kBFloat16) precision = Precision::kBFloat16;
  if (amp == Amp::kFloat16) precision = Precision::kFloat16;
  return {precision, "amp=" + word_of(amp, kAmpWords) + ": " + described(precision, device)};
}

PrecisionChoice keep_precision(const std::string& word, torch::Device device) {
  const Precision precision = chosen("precision of the run", word, kFloatWords);
  return {precision, "as this run began: " + described(precision, device)};
}

void share_precision(PrecisionChoice& choice, ProcessGroup& group) {
  auto chosen = static_cast<std::int64_t>(choice.precision);
  group.broadcast(std::span(&chosen, 1));
  choice.precision = static_cast<Precision>(chosen);
}

}  // namespace rtdetr
