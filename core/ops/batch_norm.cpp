#include "core/ops/batch_norm.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <cmath>

#include "core/ops/batch_norm_kernels.h"

namespace rtdetr {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

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

/// Carries the reducer from the forward to the backward pass.
struct KeptReducer : torch::CustomClassHolder {
  explicit KeptReducer(SumReducer reduce) : reduce(std::move(reduce)) {}
  SumReducer reduce;
};

/// Statistics of a batch, float64, and what the loops need of them, float32; [padded C] each.
class Normalization {
 public:
  Normalization(Tensor mean, Tensor inverse_deviation, const Tensor& weight, const Tensor& bias)
      : mean(std::move(mean)),
        inverse_deviation(std::move(inverse_deviation)),
        rounded_mean_(this->mean.to(torch::kFloat32)),
        rounded_inverse_(this->inverse_deviation.to(torch::kFloat32)) {
    const Tensor gain = padded(weight) * this->inverse_deviation;
    scale_ = gain.to(torch::kFloat32);
    // What rounding the mean took away is put back here: it would move the whole channel.
    shift_ = (padded(bias) + (rounded_mean_.to(torch::kFloat64) - this->mean) * gain).to(torch::kFloat32);
  }
  ChannelNorm view() const {
    return {rounded_mean_.const_data_ptr<float>(), rounded_inverse_.const_data_ptr<float>(),
            scale_.const_data_ptr<float>(), shift_.const_data_ptr<float>()};
  }

  const Tensor mean, inverse_deviation;

 private:
  Tensor padded(const Tensor& values) const {
    return torch::constant_pad_nd(values.to(torch::kFloat64), {0, mean.size(0) - values.size(0)});
  }

  Tensor rounded_mean_, rounded_inverse_, scale_, shift_;
};

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
Tensor normalize(const Tensor& x, const Normalization& norm, NormActivation activation) {
  const Slices slices(x);
  const Tensor y = torch::empty_like(x);
  const auto kernel = batch_norm_kernels<T>().normalize[static_cast<int>(activation)];
  const ChannelNorm view = norm.view();
  slices.for_each([&](std::int64_t, std::int64_t first, std::int64_t rows) {
    kernel(elements<T>(x) + first, rows, slices.channels, view, mutable_elements<T>(y) + first);
  });
  return y;
}

/// What the backward pass looks at.
struct BackwardInputs {
  const Tensor &g, &x;
  const Normalization& norm;
  NormActivation activation;
};

/// Σdz and Σdz · x̂ over this process' rows.
template <typename T>
void sum_gradients(const BackwardInputs& in, const Slices& slices, ChannelSums& sums) {
  const auto kernel = batch_norm_kernels<T>().backward_sums[static_cast<int>(in.activation)];
  const ChannelNorm view = in.norm.view();
  slices.for_each([&](std::int64_t slice, std::int64_t first, std::int64_t rows) {
    kernel(elements<T>(in.g) + first, elements<T>(in.x) + first, rows, slices.channels, view, sums.first(slice),
           sums.second(slice));
  });
}

/// @param means  [2, padded C] float64: of dz and of dz · x̂ over all rows
template <typename T>
Tensor input_gradient(const BackwardInputs& in, const Slices& slices, const Tensor& means) {
  const Tensor dx = torch::empty_like(in.x), rounded = means.to(torch::kFloat32);
  const float* mean = rounded.const_data_ptr<float>();
  const auto kernel = batch_norm_kernels<T>().backward_input[static_cast<int>(in.activation)];
  const ChannelNorm view = in.norm.view();
  slices.for_each([&](std::int64_t, std::int64_t first, std::int64_t rows) {
    kernel(elements<T>(in.g) + first, elements<T>(in.x) + first, rows, slices.channels, view, mean,
           mean + padded_channels(slices.channels), mutable_elements<T>(dx) + first);
  });
  return dx;
}

struct Gradients {
  Tensor dx;
  Tensor own_means;  ///< [2, padded C] float64: of dz and of dz · x̂ over this process' rows
};

template <typename T>
Gradients differentiate(const BackwardInputs& in, const SumReducer& reduce) {
  const Slices slices(in.x);
  ChannelSums sums(slices);
  sum_gradients<T>(in, slices, sums);
  const Tensor own = means_of(sums, {}).values;
  return {input_gradient<T>(in, slices, reduce ? means_of(sums, reduce).values : own), own};
}

bool is_half(const Tensor& x) { return x.scalar_type() == torch::kBFloat16; }

class BatchNormFunction : public torch::autograd::Function<BatchNormFunction> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const Tensor& running_mean, const Tensor& running_var, double momentum, double eps,
                        std::int64_t activation, const SumReducer& reduce) {
    const Statistics batch = is_half(x) ? measure<std::uint16_t>(x, reduce) : measure<float>(x, reduce);
    const auto move = [&](const Tensor& average, const Tensor& value) {
      average.lerp_(value.narrow(0, 0, average.size(0)).to(torch::kFloat32), momentum);
    };
    move(running_mean, batch.mean);
    move(running_var, batch.variance * (batch.rows / std::max(1.0, batch.rows - 1)));
    const Normalization norm(batch.mean, (batch.variance + eps).rsqrt(), weight, bias);
    ctx->save_for_backward({x, weight, bias, norm.mean, norm.inverse_deviation});
    ctx->saved_data["activation"] = activation;
    if (reduce) ctx->saved_data["reduce"] = c10::IValue::make_capsule(c10::make_intrusive<KeptReducer>(reduce));
    const auto act = static_cast<NormActivation>(activation);
    return is_half(x) ? normalize<std::uint16_t>(x, norm, act) : normalize<float>(x, norm, act);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor& x = saved[0];
    const Normalization norm(saved[3], saved[4], saved[1], saved[2]);
    const Tensor g = grads[0].to(x.scalar_type()).contiguous(torch::MemoryFormat::ChannelsLast);
    const auto activation = static_cast<NormActivation>(ctx->saved_data["activation"].toInt());
    const BackwardInputs in{g, x, norm, activation};
    const SumReducer reduce = kept_reducer(*ctx);
    const auto [dx, means] = is_half(x) ? differentiate<std::uint16_t>(in, reduce) : differentiate<float>(in, reduce);
    const auto n = static_cast<double>(x.numel() / x.size(1));
    const Tensor sums = (means.narrow(1, 0, x.size(1)) * n).to(torch::kFloat32);
    return {dx, sums[1], sums[0], Tensor(), Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }

 private:
  static SumReducer kept_reducer(const AutogradContext& ctx) {
    const auto kept = ctx.saved_data.find("reduce");
    if (kept == ctx.saved_data.end()) return {};
    return c10::static_intrusive_pointer_cast<KeptReducer>(kept->second.toCapsule())->reduce;
  }
};

}  // namespace

bool suits_batch_norm_act(const Tensor& x) {
  return x.is_cpu() && x.dim() == 4 && x.numel() > 0 && (x.scalar_type() == torch::kFloat32 || is_half(x)) &&
         x.is_contiguous(torch::MemoryFormat::ChannelsLast);
}

Tensor batch_norm_act(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                      const Tensor& running_var, double momentum, double eps, NormActivation activation,
                      const SumReducer& reduce) {
  return BatchNormFunction::apply(x, weight, bias, running_mean, running_var, momentum, eps,
                                  static_cast<std::int64_t>(activation), reduce);
}

}  // namespace rtdetr
