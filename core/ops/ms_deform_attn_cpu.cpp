// The idea: a sampled point touches four tokens, each a run of D contiguous channels, so the innermost loop is over
// channels and vectorises; everything else is index arithmetic done once per point. A task is one (image, head): it
// alone writes that head's slice of grad_value, which makes the backward deterministic without atomics or copies.
//
// The loops are written once as always_inline templates and instantiated in functions compiled for AVX-512, AVX2 and
// plain x86-64; the machine's best is chosen at run time. Channels known at compile time (D = 32, 16) keep the sums
// in registers.
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/base/simd.h"
#include "core/ops/ms_deform_attn_kernels.h"

namespace rtdetr {
namespace {

constexpr int kCorners = 4;  // (y0, x0), (y0, x1), (y1, x0), (y1, x1)

/// Where a point lands: offsets of its corners in tokens (-1: outside) and the fractions between them.
template <typename T>
struct Sample {
  std::int64_t token[kCorners];
  T fx, fy;
};

/// Fraction of the map → cells, 0 = centre of the first one. Rounded as grid_sample rounds the references' 2·x - 1, so
/// that a point exactly on a cell's centre falls to the same side: the output is continuous there, its slope is not.
template <typename T>
RTDETR_INLINE T cell_position(T fraction, std::int32_t cells) {
  const T grid = 2 * fraction - 1;
  return (grid + 1) * (T(cells) / 2) - T(0.5);
}

template <typename T>
RTDETR_INLINE bool locate_bilinear(const MsDeformAttnShape& s, int level, T x01, T y01, Sample<T>& sample) {
  const std::int32_t width = s.width[level], height = s.height[level];
  const T x = cell_position(x01, width), y = cell_position(y01, height);
  // Also refuses NaN and numbers too large for an integer.
  if (!(x > T(-1) && x < T(width) && y > T(-1) && y < T(height))) return false;
  const T x_floor = std::floor(x), y_floor = std::floor(y);
  const std::int32_t x0 = static_cast<std::int32_t>(x_floor), y0 = static_cast<std::int32_t>(y_floor);
  const std::int64_t base = s.first_token[level] + std::int64_t(y0) * width + x0;
  const bool left = x0 >= 0, right = x0 + 1 < width, top = y0 >= 0, bottom = y0 + 1 < height;
  sample.token[0] = top && left ? base : -1;
  sample.token[1] = top && right ? base + 1 : -1;
  sample.token[2] = bottom && left ? base + width : -1;
  sample.token[3] = bottom && right ? base + width + 1 : -1;
  sample.fx = x - x_floor;
  sample.fy = y - y_floor;
  return true;
}

/// trunc(location · size + 0.5), clamped; NaN lands on 0.
template <typename T>
RTDETR_INLINE std::int64_t locate_discrete(const MsDeformAttnShape& s, int level, T x01, T y01) {
  const std::int32_t width = s.width[level], height = s.height[level];
  const std::int32_t last_x = s.method == SamplingMethod::kDiscreteSquare ? std::min(width, height) - 1 : width - 1;
  const T x = x01 * width + T(0.5), y = y01 * height + T(0.5);
  const std::int32_t column = static_cast<std::int32_t>(std::min(x > T(0) ? x : T(0), T(last_x)));
  const std::int32_t row = static_cast<std::int32_t>(std::min(y > T(0) ? y : T(0), T(height - 1)));
  return s.first_token[level] + std::int64_t(row) * width + column;
}

/// D = 0 means "known at run time only".
template <typename T, int D>
RTDETR_INLINE void add_scaled(T* __restrict to, const T* __restrict from, T scale, std::int64_t channels) {
  const std::int64_t n = D ? D : channels;
#pragma omp simd
  for (std::int64_t d = 0; d < n; ++d) to[d] += scale * from[d];
}

template <typename T, int D>
RTDETR_INLINE T dot(const T* __restrict a, const T* __restrict b, std::int64_t channels) {
  const std::int64_t n = D ? D : channels;
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t d = 0; d < n; ++d) sum += a[d] * b[d];
  return sum;
}

template <typename T>
struct ForwardArgs {
  const T *value, *locations, *weights;
  T* output;
};

/// Queries [begin, end) counted over the batch: all heads and points of each.
template <typename T, int D>
RTDETR_INLINE void forward_queries(const MsDeformAttnShape& s, const ForwardArgs<T>& a, std::int64_t begin,
                                   std::int64_t end) {
  const std::int64_t channels = D ? D : s.channels, token_stride = s.heads * channels;
  for (std::int64_t bq = begin; bq < end; ++bq) {
    const T* image = a.value + (bq / s.queries) * s.tokens * token_stride;
    for (std::int64_t m = 0; m < s.heads; ++m) {
      const T* head = image + m * channels;
      const T* weight = a.weights + (bq * s.heads + m) * s.points;
      const T* location = a.locations + (bq * s.heads + m) * s.points * 2;
      T* out = a.output + (bq * s.heads + m) * channels;
      T local[D ? D : 1] = {};
      T* sum = D ? local : out;
      if constexpr (D == 0) std::fill_n(out, channels, T(0));
      for (int level = 0; level < s.levels; ++level) {
        for (int p = s.first_point[level]; p < s.first_point[level + 1]; ++p) {
          const T x = location[2 * p], y = location[2 * p + 1], w = weight[p];
          if (s.method != SamplingMethod::kBilinear) {
            add_scaled<T, D>(sum, head + locate_discrete(s, level, x, y) * token_stride, w, channels);
            continue;
          }
          Sample<T> at;
          if (!locate_bilinear(s, level, x, y, at)) continue;
          const T share[kCorners] = {(1 - at.fy) * (1 - at.fx), (1 - at.fy) * at.fx, at.fy * (1 - at.fx),
                                     at.fy * at.fx};
          for (int c = 0; c < kCorners; ++c)
            if (at.token[c] >= 0) add_scaled<T, D>(sum, head + at.token[c] * token_stride, w * share[c], channels);
        }
      }
      if constexpr (D != 0) std::copy_n(local, D, out);
    }
  }
}

template <typename T>
struct BackwardArgs {
  const T *value, *locations, *weights, *grad_output;
  T *grad_value, *grad_locations, *grad_weights;
};

/// Tasks [begin, end), task = image · heads + head: all queries of that head.
template <typename T, int D>
RTDETR_INLINE void backward_heads(const MsDeformAttnShape& s, const BackwardArgs<T>& a, std::int64_t begin,
                                  std::int64_t end) {
  const std::int64_t channels = D ? D : s.channels, token_stride = s.heads * channels;
  for (std::int64_t task = begin; task < end; ++task) {
    const std::int64_t b = task / s.heads, m = task % s.heads;
    const std::int64_t slice = b * s.tokens * token_stride + m * channels;
    const T* value = a.value + slice;
    T* grad_value = a.grad_value + slice;
    for (std::int64_t q = 0; q < s.queries; ++q) {
      const std::int64_t row = (b * s.queries + q) * s.heads + m;
      const T* grad = a.grad_output + row * channels;
      for (int level = 0; level < s.levels; ++level) {
        for (int p = s.first_point[level]; p < s.first_point[level + 1]; ++p) {
          const std::int64_t i = row * s.points + p;
          const T x = a.locations[2 * i], y = a.locations[2 * i + 1], w = a.weights[i];
          if (s.method != SamplingMethod::kBilinear) {
            const std::int64_t offset = locate_discrete(s, level, x, y) * token_stride;
            a.grad_weights[i] = dot<T, D>(grad, value + offset, channels);
            add_scaled<T, D>(grad_value + offset, grad, w, channels);
            continue;
          }
          Sample<T> at;
          if (!locate_bilinear(s, level, x, y, at)) {
            a.grad_weights[i] = a.grad_locations[2 * i] = a.grad_locations[2 * i + 1] = 0;
            continue;
          }
          const T share[kCorners] = {(1 - at.fy) * (1 - at.fx), (1 - at.fy) * at.fx, at.fy * (1 - at.fx),
                                     at.fy * at.fx};
          T along[kCorners] = {};  // gradient · value of each corner; 0 outside, where the value is 0
          for (int c = 0; c < kCorners; ++c) {
            if (at.token[c] < 0) continue;
            const std::int64_t offset = at.token[c] * token_stride;
            along[c] = dot<T, D>(grad, value + offset, channels);
            add_scaled<T, D>(grad_value + offset, grad, w * share[c], channels);
          }
          a.grad_weights[i] = share[0] * along[0] + share[1] * along[1] + share[2] * along[2] + share[3] * along[3];
          a.grad_locations[2 * i] =
              w * s.width[level] * ((1 - at.fy) * (along[1] - along[0]) + at.fy * (along[3] - along[2]));
          a.grad_locations[2 * i + 1] =
              w * s.height[level] * ((1 - at.fx) * (along[2] - along[0]) + at.fx * (along[3] - along[1]));
        }
      }
    }
  }
}

template <typename T>
RTDETR_INLINE void forward_any(const MsDeformAttnShape& s, const ForwardArgs<T>& a, std::int64_t begin,
                               std::int64_t end) {
  if (s.channels == 32) return forward_queries<T, 32>(s, a, begin, end);
  if (s.channels == 16) return forward_queries<T, 16>(s, a, begin, end);
  forward_queries<T, 0>(s, a, begin, end);
}
template <typename T>
RTDETR_INLINE void backward_any(const MsDeformAttnShape& s, const BackwardArgs<T>& a, std::int64_t begin,
                                std::int64_t end) {
  if (s.channels == 32) return backward_heads<T, 32>(s, a, begin, end);
  if (s.channels == 16) return backward_heads<T, 16>(s, a, begin, end);
  backward_heads<T, 0>(s, a, begin, end);
}

// One set of entry points per instruction set.
#define RTDETR_DEFORM_KERNELS(Level, target)                                                                  \
  target void forward_f32_##Level(const MsDeformAttnShape& s, const ForwardArgs<float>& a, std::int64_t b,    \
                                  std::int64_t e) {                                                           \
    forward_any(s, a, b, e);                                                                                  \
  }                                                                                                           \
  target void forward_f64_##Level(const MsDeformAttnShape& s, const ForwardArgs<double>& a, std::int64_t b,   \
                                  std::int64_t e) {                                                           \
    forward_any(s, a, b, e);                                                                                  \
  }                                                                                                           \
  target void backward_f32_##Level(const MsDeformAttnShape& s, const BackwardArgs<float>& a, std::int64_t b,  \
                                   std::int64_t e) {                                                          \
    backward_any(s, a, b, e);                                                                                 \
  }                                                                                                           \
  target void backward_f64_##Level(const MsDeformAttnShape& s, const BackwardArgs<double>& a, std::int64_t b, \
                                   std::int64_t e) {                                                          \
    backward_any(s, a, b, e);                                                                                 \
  }                                                                                                           \
  constexpr KernelTable k##Level{forward_f32_##Level, forward_f64_##Level, backward_f32_##Level, backward_f64_##Level};

struct KernelTable {
  void (*forward_f32)(const MsDeformAttnShape&, const ForwardArgs<float>&, std::int64_t, std::int64_t);
  void (*forward_f64)(const MsDeformAttnShape&, const ForwardArgs<double>&, std::int64_t, std::int64_t);
  void (*backward_f32)(const MsDeformAttnShape&, const BackwardArgs<float>&, std::int64_t, std::int64_t);
  void (*backward_f64)(const MsDeformAttnShape&, const BackwardArgs<double>&, std::int64_t, std::int64_t);
};

RTDETR_FOR_EACH_CPU_LEVEL(RTDETR_DEFORM_KERNELS)

const KernelTable& kernel_table() { return at_cpu_level(kBaseline, kAvx2, kAvx512); }

template <typename T>
ForwardArgs<T> forward_args(const torch::Tensor& value, const torch::Tensor& locations, const torch::Tensor& weights,
                            torch::Tensor& output) {
  return {value.const_data_ptr<T>(), locations.const_data_ptr<T>(), weights.const_data_ptr<T>(),
          output.mutable_data_ptr<T>()};
}

template <typename T>
BackwardArgs<T> backward_args(const torch::Tensor& value, const torch::Tensor& locations, const torch::Tensor& weights,
                              const torch::Tensor& grad_output, torch::Tensor& grad_value,
                              torch::Tensor& grad_locations, torch::Tensor& grad_weights) {
  return {value.const_data_ptr<T>(),         locations.const_data_ptr<T>(),
          weights.const_data_ptr<T>(),       grad_output.const_data_ptr<T>(),
          grad_value.mutable_data_ptr<T>(),  grad_locations.defined() ? grad_locations.mutable_data_ptr<T>() : nullptr,
          grad_weights.mutable_data_ptr<T>()};
}

constexpr std::int64_t kQueriesPerTask = 16;

void forward_cpu(const MsDeformAttnShape& shape, const torch::Tensor& value, const torch::Tensor& locations,
                 const torch::Tensor& weights, torch::Tensor& output) {
  const KernelTable& table = kernel_table();
  const std::int64_t tasks = shape.batch * shape.queries;
  if (value.scalar_type() == torch::kDouble) {
    const auto args = forward_args<double>(value, locations, weights, output);
    at::parallel_for(0, tasks, kQueriesPerTask,
                     [&](std::int64_t begin, std::int64_t end) { table.forward_f64(shape, args, begin, end); });
  } else {
    const auto args = forward_args<float>(value, locations, weights, output);
    at::parallel_for(0, tasks, kQueriesPerTask,
                     [&](std::int64_t begin, std::int64_t end) { table.forward_f32(shape, args, begin, end); });
  }
}

void backward_cpu(const MsDeformAttnShape& shape, const torch::Tensor& value, const torch::Tensor& locations,
                  const torch::Tensor& weights, const torch::Tensor& grad_output, torch::Tensor& grad_value,
                  torch::Tensor& grad_locations, torch::Tensor& grad_weights) {
  const KernelTable& table = kernel_table();
  const std::int64_t tasks = shape.batch * shape.heads;
  if (value.scalar_type() == torch::kDouble) {
    const auto args =
        backward_args<double>(value, locations, weights, grad_output, grad_value, grad_locations, grad_weights);
    at::parallel_for(0, tasks, 1,
                     [&](std::int64_t begin, std::int64_t end) { table.backward_f64(shape, args, begin, end); });
  } else {
    const auto args =
        backward_args<float>(value, locations, weights, grad_output, grad_value, grad_locations, grad_weights);
    at::parallel_for(0, tasks, 1,
                     [&](std::int64_t begin, std::int64_t end) { table.backward_f32(shape, args, begin, end); });
  }
}

}  // namespace

MsDeformAttnKernels ms_deform_attn_cpu_kernels() { return {forward_cpu, backward_cpu, false}; }

}  // namespace rtdetr
