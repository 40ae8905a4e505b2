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
  /// [2, padded C] float64, divided by the number of rows
  Tensor means() const { return partial_.sum(0) / static_cast<double>(slices_.rows); }

 private:
  const Slices& slices_;
  std::int64_t padded_;
  Tensor partial_;
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
};

template <typename T>
Statistics measure(const Tensor& x) {
  const Slices slices(x);
  ChannelSums sums(slices);
  const auto& kernels = batch_norm_kernels<T>();
  slices.for_each([&](std::int64_t slice, std::int64_t first, std::int64_t rows) {
    kernels.sums(elements<T>(x) + first, rows, slices.channels, sums.first(slice), sums.second(slice));
  });
  const Tensor means = sums.means();
  return {means[0], (means[1] - means[0] * means[0]).clamp_min_(0)};
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

/// @return  dx, and [2, padded C] float64: the means of dz and of dz · x̂ over the rows
template <typename T>
std::pair<Tensor, Tensor> differentiate(const Tensor& g, const Tensor& x, const Normalization& norm,
                                        NormActivation activation) {
  const Slices slices(x);
  ChannelSums sums(slices);
  const Tensor dx = torch::empty_like(x);
  const auto& kernels = batch_norm_kernels<T>();
  const auto backward_sums = kernels.backward_sums[static_cast<int>(activation)];
  const auto backward_input = kernels.backward_input[static_cast<int>(activation)];
  const ChannelNorm view = norm.view();
  slices.for_each([&](std::int64_t slice, std::int64_t first, std::int64_t rows) {
    backward_sums(elements<T>(g) + first, elements<T>(x) + first, rows, slices.channels, view, sums.first(slice),
                  sums.second(slice));
  });
  const Tensor means = sums.means(), rounded = means.to(torch::kFloat32);
  const float* mean = rounded.const_data_ptr<float>();
  slices.for_each([&](std::int64_t, std::int64_t first, std::int64_t rows) {
    backward_input(elements<T>(g) + first, elements<T>(x) + first, rows, slices.channels, view, mean,
                   mean + padded_channels(slices.channels), mutable_elements<T>(dx) + first);
  });
  return {dx, means};
}

bool is_half(const Tensor& x) { return x.scalar_type() == torch::kBFloat16; }

class BatchNormFunction : public torch::autograd::Function<BatchNormFunction> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const Tensor& running_mean, const Tensor& running_var, double momentum, double eps,
                        std::int64_t activation) {
    const Statistics batch = is_half(x) ? measure<std::uint16_t>(x) : measure<float>(x);
    const auto n = static_cast<double>(x.numel() / x.size(1));
    const auto move = [&](const Tensor& average, const Tensor& value) {
      average.lerp_(value.narrow(0, 0, average.size(0)).to(torch::kFloat32), momentum);
    };
    move(running_mean, batch.mean);
    move(running_var, batch.variance * (n / std::max(1.0, n - 1)));
    const Normalization norm(batch.mean, (batch.variance + eps).rsqrt(), weight, bias);
    ctx->save_for_backward({x, weight, bias, norm.mean, norm.inverse_deviation});
    ctx->saved_data["activation"] = activation;
    const auto act = static_cast<NormActivation>(activation);
    return is_half(x) ? normalize<std::uint16_t>(x, norm, act) : normalize<float>(x, norm, act);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const Tensor& x = saved[0];
    const Normalization norm(saved[3], saved[4], saved[1], saved[2]);
    const Tensor g = grads[0].to(x.scalar_type()).contiguous(torch::MemoryFormat::ChannelsLast);
    const auto activation = static_cast<NormActivation>(ctx->saved_data["activation"].toInt());
    const auto [dx, means] = is_half(x) ? differentiate<std::uint16_t>(g, x, norm, activation)
                                        : differentiate<float>(g, x, norm, activation);
    const auto n = static_cast<double>(x.numel() / x.size(1));
    const Tensor sums = (means.narrow(1, 0, x.size(1)) * n).to(torch::kFloat32);
    return {dx, sums[1], sums[0], Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

bool suits_batch_norm_act(const Tensor& x) {
  return x.is_cpu() && x.dim() == 4 && x.numel() > 0 && (x.scalar_type() == torch::kFloat32 || is_half(x)) &&
         x.is_contiguous(torch::MemoryFormat::ChannelsLast);
}

Tensor batch_norm_act(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                      const Tensor& running_var, double momentum, double eps, NormActivation activation) {
  return BatchNormFunction::apply(x, weight, bias, running_mean, running_var, momentum, eps,
                                  static_cast<std::int64_t>(activation));
}

}  // namespace rtdetr
