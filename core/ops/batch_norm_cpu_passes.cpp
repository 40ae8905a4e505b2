// The passes of batch_norm.h on the CPU: slices of the map, their sums and what follows from them. The loops over a
// slice are in batch_norm_cpu.cpp.
#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>

#include "core/ops/batch_norm_kernels.h"
#include "core/ops/batch_norm_passes.h"

namespace rtdetr {
namespace {

using torch::Tensor;

template <typename T>
const T* elements(const Tensor& x) {
  return static_cast<const T*>(x.const_data_ptr());
}

template <typename T>
T* mutable_elements(const Tensor& x) {
  return static_cast<T*>(x.mutable_data_ptr());
}

/// A map as rows of channels, in slices that threads share. The slices depend on the shape alone, so sums over them do
/// not depend on the number of threads.
struct Slices {
  explicit Slices(const Tensor& x) : channels(x.size(1)), rows(x.numel() / channels) {
    constexpr std::int64_t kElements = 16384;  // a slice stays in the second-level cache
    length = std::max<std::int64_t>(1, kElements / channels);
    count = (rows + length - 1) / length;
  }

  /// Calls body(slice, first element, rows) for every slice.
  template <typename Body>
  void for_each(const Body& body) const {
    at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t slice = begin; slice < end; ++slice) {
        body(slice, slice * length * channels, std::min(length, rows - slice * length));
      }
    });
  }

  std::int64_t channels, rows, length = 0, count = 0;
};

/// Two sums per channel, of all slices in their order.
struct ChannelSums {
  explicit ChannelSums(const Slices& slices)
      : slices_(slices),
        padded_(padded_channels(slices.channels)),
        partial_(torch::zeros({slices.count, 2, padded_}, torch::kFloat64)) {}
  double* first(std::int64_t slice) { return partial_.data_ptr<double>() + 2 * slice * padded_; }
  double* second(std::int64_t slice) { return first(slice) + padded_; }
  /// [2, padded C] float64
  Tensor total() const { return partial_.sum(0); }
  std::int64_t rows() const { return slices_.rows; }

 private:
  const Slices& slices_;
  std::int64_t padded_;
  Tensor partial_;
};

/// Sums divided by the number of rows that they were taken over: this process' map, or all processes' together.
struct ChannelMeans {
  Tensor values;    ///< [2, padded C] float64
  double rows = 0;  ///< of all of them
};

ChannelMeans means_of(const ChannelSums& sums, const SumReducer& reduce) {
  const Tensor own = sums.total();
  const auto rows = static_cast<double>(sums.rows());
  if (!reduce) return {own / rows, rows};
  const Tensor joined = torch::cat({own.flatten(), torch::full({1}, rows, torch::kFloat64)});
  reduce(joined);
  const double all_rows = joined[-1].item<double>();
  return {joined.slice(0, 0, -1).view_as(own) / all_rows, all_rows};
}

/// What the loops need of a batch's statistics: [4, padded C] float32, the rows of a ChannelNorm.
Tensor make_norm(const Tensor& mean, const Tensor& inverse_deviation, const BatchNormParts& parts) {
  const auto padded = [&](const Tensor& values) {
    return torch::constant_pad_nd(values.to(torch::kFloat64), {0, mean.size(0) - values.size(0)});
  };
  const Tensor gain = padded(parts.weight) * inverse_deviation, rounded_mean = mean.to(torch::kFloat32);
  // What rounding the mean took away is put back here: it would move the whole channel.
  const Tensor shift = padded(parts.bias) + (rounded_mean.to(torch::kFloat64) - mean) * gain;
  return torch::stack(
      {rounded_mean, inverse_deviation.to(torch::kFloat32), gain.to(torch::kFloat32), shift.to(torch::kFloat32)});
}

ChannelNorm channel_norm(const Tensor& norm) {
  const auto row = [&](std::int64_t i) { return norm.const_data_ptr<float>() + i * norm.size(1); };
  return {row(0), row(1), row(2), row(3)};
}

struct Statistics {
  Tensor mean, variance;  ///< [padded C] float64
  double rows = 0;        ///< measured
};

template <typename T>
Statistics measure(const Tensor& x, const SumReducer& reduce) {
  const Slices slices(x);
  ChannelSums sums(slices);
  const auto& kernels = batch_norm_kernels<T>();
  slices.for_each([&](std::int64_t slice, std::int64_t first, std::int64_t rows) {
    kernels.sums(elements<T>(x) + first, rows, slices.channels, sums.first(slice), sums.second(slice));
  });
  const ChannelMeans means = means_of(sums, reduce);
  const Tensor mean = means.values[0];
  return {mean, (means.values[1] - mean * mean).clamp_min_(0), means.rows};
}

template <typename T>
Tensor normalize(const Tensor& x, const Tensor& norm, NormActivation activation) {
  const Slices slices(x);
  const Tensor y = torch::empty_like(x);
  const auto kernel = batch_norm_kernels<T>().normalize[static_cast<int>(activation)];
  const ChannelNorm channels = channel_norm(norm);
  slices.for_each([&](std::int64_t, std::int64_t first, std::int64_t rows) {
    kernel(elements<T>(x) + first, rows, slices.channels, channels, mutable_elements<T>(y) + first);
  });
  return y;
}

/// What the backward pass looks at.
struct BackwardInputs {
  const Tensor &g, &x, &norm;
  NormActivation activation;
};

/// Σdz and Σdz · x̂ over this process' rows. @param dz  may be written
template <typename T>
void sum_gradients(const BackwardInputs& in, const Slices& slices, ChannelSums& sums, T* dz) {
  const auto kernel = batch_norm_kernels<T>().backward_sums[static_cast<int>(in.activation)];
  const ChannelNorm channels = channel_norm(in.norm);
  slices.for_each([&](std::int64_t slice, std::int64_t first, std::int64_t rows) {
    kernel(elements<T>(in.g) + first, elements<T>(in.x) + first, rows, slices.channels, channels, sums.first(slice),
           sums.second(slice), dz + first);
  });
}

/// @param dx     holds dz if the activation keeps_gradient()
/// @param means  [2, padded C] float64: of dz and of dz · x̂ over all rows
template <typename T>
void input_gradient(const BackwardInputs& in, const Slices& slices, const Tensor& means, const Tensor& dx) {
  const Tensor rounded = means.to(torch::kFloat32);
  const float* mean = rounded.const_data_ptr<float>();
  const bool kept = keeps_gradient(in.activation);
  const T* g = elements<T>(kept ? dx : in.g);
  const auto activation = kept ? NormActivation::kNone : in.activation;
  const auto kernel = batch_norm_kernels<T>().backward_input[static_cast<int>(activation)];
  const ChannelNorm channels = channel_norm(in.norm);
  slices.for_each([&](std::int64_t, std::int64_t first, std::int64_t rows) {
    kernel(g + first, elements<T>(in.x) + first, rows, slices.channels, channels, mean,
           mean + padded_channels(slices.channels), mutable_elements<T>(dx) + first);
  });
}

struct Gradients {
  Tensor dx;
  Tensor own_means;  ///< [2, padded C] float64: of dz and of dz · x̂ over this process' rows
};

template <typename T>
Gradients differentiate(const BackwardInputs& in, const SumReducer& reduce) {
  const Slices slices(in.x);
  ChannelSums sums(slices);
  const Tensor dx = torch::empty_like(in.x);
  sum_gradients<T>(in, slices, sums, mutable_elements<T>(dx));
  const Tensor own = means_of(sums, {}).values;
  input_gradient<T>(in, slices, reduce ? means_of(sums, reduce).values : own, dx);
  return {dx, own};
}

bool is_half(const Tensor& x) { return x.scalar_type() == torch::kBFloat16; }

Tensor forward_cpu(const Tensor& x, const BatchNormParts& parts, const SumReducer& reduce, Tensor& norm) {
  const Statistics batch = is_half(x) ? measure<std::uint16_t>(x, reduce) : measure<float>(x, reduce);
  const auto move = [&](const Tensor& average, const Tensor& value) {
    average.lerp_(value.narrow(0, 0, average.size(0)).to(torch::kFloat32), parts.momentum);
  };
  move(parts.running_mean, batch.mean);
  move(parts.running_var, batch.variance * (batch.rows / std::max(1.0, batch.rows - 1)));
  norm = make_norm(batch.mean, (batch.variance + parts.eps).rsqrt(), parts);
  return is_half(x) ? normalize<std::uint16_t>(x, norm, parts.activation) : normalize<float>(x, norm, parts.activation);
}

BatchNormGradients backward_cpu(const Tensor& grad, const Tensor& x, const Tensor& norm, NormActivation activation,
                                const SumReducer& reduce) {
  const BackwardInputs in{grad, x, norm, activation};
  const auto [dx, means] = is_half(x) ? differentiate<std::uint16_t>(in, reduce) : differentiate<float>(in, reduce);
  const auto n = static_cast<double>(x.numel() / x.size(1));
  const Tensor sums = (means.narrow(1, 0, x.size(1)) * n).to(torch::kFloat32);
  return {dx, sums[1], sums[0]};
}

}  // namespace

BatchNormPasses batch_norm_cpu_passes() { return {forward_cpu, backward_cpu, nullptr, nullptr}; }

}  // namespace rtdetr
