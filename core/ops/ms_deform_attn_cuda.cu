// The idea: channels lie side by side in memory, so neighbouring threads take neighbouring channels and every access of
// a warp is one or two cache lines. Forward: a thread per (query, head, channel). Backward: a warp per (query, head);
// the sums over channels that locations and weights need are warp shuffles. The gradient of value has many writers; see
// the header for its two ways. V is the type of value and output, T the one that all is computed in.
#include "core/ops/ms_deform_attn_cuda.h"

#include "core/ops/cuda_kernel.h"

namespace rtdetr {
namespace {

constexpr int kThreads = 256, kWarp = 32, kCorners = 4;

/// Where a point lands: tokens of its corners (-1: outside), their shares, and the fractions between them.
template <typename T>
struct Sample {
  std::int64_t token[kCorners];
  T share[kCorners];
  T fx, fy;
};

template <typename T>
__device__ T cell_position(T fraction, int cells) {
  const T grid = 2 * fraction - 1;  // rounded as grid_sample rounds
  return (grid + 1) * (T(cells) / 2) - T(0.5);
}

template <typename T>
__device__ Sample<T> locate(const MsDeformAttnShape& s, int level, T x01, T y01) {
  Sample<T> sample;
  for (int c = 0; c < kCorners; ++c) sample.token[c] = -1, sample.share[c] = 0;
  sample.fx = sample.fy = 0;
  const int width = s.width[level], height = s.height[level];
  if (s.method != SamplingMethod::kBilinear) {
    const int last_x = s.method == SamplingMethod::kDiscreteSquare ? min(width, height) - 1 : width - 1;
    const T x = x01 * width + T(0.5), y = y01 * height + T(0.5);
    const int column = static_cast<int>(min(x > T(0) ? x : T(0), T(last_x)));
    const int row = static_cast<int>(min(y > T(0) ? y : T(0), T(height - 1)));
    sample.token[0] = s.first_token[level] + std::int64_t(row) * width + column;
    sample.share[0] = 1;
    return sample;
  }
  const T x = cell_position(x01, width), y = cell_position(y01, height);
  if (!(x > T(-1) && x < T(width) && y > T(-1) && y < T(height))) return sample;  // NaN, too
  const int x0 = static_cast<int>(floor(x)), y0 = static_cast<int>(floor(y));
  sample.fx = x - x0;
  sample.fy = y - y0;
  const std::int64_t base = s.first_token[level] + std::int64_t(y0) * width + x0;
  const bool left = x0 >= 0, right = x0 + 1 < width, top = y0 >= 0, bottom = y0 + 1 < height;
  if (top && left) sample.token[0] = base;
  if (top && right) sample.token[1] = base + 1;
  if (bottom && left) sample.token[2] = base + width;
  if (bottom && right) sample.token[3] = base + width + 1;
  sample.share[0] = (1 - sample.fy) * (1 - sample.fx);
  sample.share[1] = (1 - sample.fy) * sample.fx;
  sample.share[2] = sample.fy * (1 - sample.fx);
  sample.share[3] = sample.fy * sample.fx;
  return sample;
}

template <typename V, typename T>
__global__ void forward_kernel(MsDeformAttnShape s, const V* value, const T* locations, const T* weights, V* output) {
  const std::int64_t total = s.batch * s.queries * s.heads * s.channels, stride = s.heads * s.channels;
  for (std::int64_t i = blockIdx.x * std::int64_t(blockDim.x) + threadIdx.x; i < total;
       i += std::int64_t(gridDim.x) * blockDim.x) {
    const std::int64_t row = i / s.channels;  // (image, query, head)
    const std::int64_t b = row / (s.queries * s.heads);
    const V* head = value + b * s.tokens * stride + i % stride;
    T sum = 0;
    for (int level = 0; level < s.levels; ++level) {
      for (int p = s.first_point[level]; p < s.first_point[level + 1]; ++p) {
        const std::int64_t point = row * s.points + p;
        const Sample<T> at = locate(s, level, locations[2 * point], locations[2 * point + 1]);
        T sampled = 0;
        for (int c = 0; c < kCorners; ++c)
          if (at.token[c] >= 0) sampled += at.share[c] * widen(head[at.token[c] * stride]);
        sum += weights[point] * sampled;
      }
    }
    output[i] = narrow<V>(sum);
  }
}

template <typename T>
__device__ T warp_sum(T x) {
  for (int step = kWarp / 2; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
  return x;
}

template <typename V, typename T>
struct BackwardArgs {
  const V *value, *grad_output;
  const T *locations, *weights;
  T *grad_value, *grad_locations, *grad_weights;
  std::int64_t* keys;
  T* shares;
};

/// What one point hands back; all lanes of a warp call it together.
template <typename V, typename T>
__device__ void backward_point(const MsDeformAttnShape& s, const BackwardArgs<V, T>& a, std::int64_t row, int level,
                               int p) {
  const int lane = threadIdx.x % kWarp;
  const std::int64_t stride = s.heads * s.channels, m = row % s.heads, b = row / (s.queries * s.heads);
  const std::int64_t slice = b * s.tokens * stride + m * s.channels, point = row * s.points + p;
  const T w = a.weights[point];
  const Sample<T> at = locate(s, level, a.locations[2 * point], a.locations[2 * point + 1]);
  T along[kCorners];  // gradient · value of each corner; 0 outside
  for (int c = 0; c < kCorners; ++c) {
    along[c] = 0;
    if (at.token[c] >= 0) {
      const std::int64_t offset = slice + at.token[c] * stride;
      for (std::int64_t d = lane; d < s.channels; d += kWarp) {
        const T grad = widen(a.grad_output[row * s.channels + d]);
        along[c] += grad * widen(a.value[offset + d]);
        if (a.grad_value) atomicAdd(a.grad_value + offset + d, w * at.share[c] * grad);
      }
    }
    along[c] = warp_sum(along[c]);
    if (!a.grad_value && lane == 0) {
      a.keys[point * kCorners + c] = at.token[c] < 0 ? -1 : (b * s.tokens + at.token[c]) * s.heads + m;
      a.shares[point * kCorners + c] = w * at.share[c];
    }
  }
  if (lane != 0) return;
  a.grad_weights[point] =
      at.share[0] * along[0] + at.share[1] * along[1] + at.share[2] * along[2] + at.share[3] * along[3];
  if (!a.grad_locations) return;
  a.grad_locations[2 * point] =
      w * s.width[level] * ((1 - at.fy) * (along[1] - along[0]) + at.fy * (along[3] - along[2]));
  a.grad_locations[2 * point + 1] =
      w * s.height[level] * ((1 - at.fx) * (along[2] - along[0]) + at.fx * (along[3] - along[1]));
}

template <typename V, typename T>
__global__ void backward_kernel(MsDeformAttnShape s, BackwardArgs<V, T> a) {
  const std::int64_t rows = s.batch * s.queries * s.heads;
  const std::int64_t warps = std::int64_t(gridDim.x) * (blockDim.x / kWarp);
  for (std::int64_t row = (blockIdx.x * std::int64_t(blockDim.x) + threadIdx.x) / kWarp; row < rows; row += warps) {
    for (int level = 0; level < s.levels; ++level)
      for (int p = s.first_point[level]; p < s.first_point[level + 1]; ++p) backward_point(s, a, row, level, p);
  }
}

/// A warp per sorted contribution; the first of each key adds up all of that key's.
template <typename V, typename T>
__global__ void gather_kernel(MsDeformAttnShape s, std::int64_t count, const std::int64_t* sorted_keys,
                              const std::int64_t* order, const T* shares, const V* grad_output, T* grad_value) {
  const std::int64_t warps = std::int64_t(gridDim.x) * (blockDim.x / kWarp);
  const std::int64_t per_row = s.points * kCorners;
  for (std::int64_t i = (blockIdx.x * std::int64_t(blockDim.x) + threadIdx.x) / kWarp; i < count; i += warps) {
    const std::int64_t key = sorted_keys[i];
    if (key < 0 || (i > 0 && sorted_keys[i - 1] == key)) continue;
    for (std::int64_t d = threadIdx.x % kWarp; d < s.channels; d += kWarp) {
      T sum = 0;
      for (std::int64_t j = i; j < count && sorted_keys[j] == key; ++j)
        sum += shares[order[j]] * widen(grad_output[order[j] / per_row * s.channels + d]);
      grad_value[key * s.channels + d] = sum;
    }
  }
}

}  // namespace

cudaError_t launch_msda_forward(const MsDeformAttnShape& shape, CudaType type, const MsDeformAttnPointers& in,
                                void* output, cudaStream_t stream) {
  return with_any_float(type, [&](auto zero) {
    using V = decltype(zero);
    using T = typename Wide<V>::type;
    const unsigned blocks = blocks_for(shape.batch * shape.queries * shape.heads * shape.channels, kThreads);
    return launch(forward_kernel<V, T>, {blocks, 1, 1}, kThreads, stream, shape, static_cast<const V*>(in.value),
                  static_cast<const T*>(in.locations), static_cast<const T*>(in.weights), static_cast<V*>(output));
  });
}

cudaError_t launch_msda_backward(const MsDeformAttnShape& shape, CudaType type, const MsDeformAttnPointers& in,
                                 const void* grad_output, const MsDeformAttnGradients& out, cudaStream_t stream) {
  return with_any_float(type, [&](auto zero) {
    using V = decltype(zero);
    using T = typename Wide<V>::type;
    const BackwardArgs<V, T> args{static_cast<const V*>(in.value),     static_cast<const V*>(grad_output),
                                  static_cast<const T*>(in.locations), static_cast<const T*>(in.weights),
                                  static_cast<T*>(out.value),          static_cast<T*>(out.locations),
                                  static_cast<T*>(out.weights),        out.keys,
                                  static_cast<T*>(out.shares)};
    const unsigned blocks = blocks_for(shape.batch * shape.queries * shape.heads, kThreads / kWarp);
    return launch(backward_kernel<V, T>, {blocks, 1, 1}, kThreads, stream, shape, args);
  });
}

cudaError_t launch_msda_gather(const MsDeformAttnShape& shape, CudaType type, const MsDeformAttnContributions& in,
                               const void* grad_output, void* grad_value, cudaStream_t stream) {
  return with_any_float(type, [&](auto zero) {
    using V = decltype(zero);
    using T = typename Wide<V>::type;
    return launch(gather_kernel<V, T>, {blocks_for(in.count, kThreads / kWarp), 1, 1}, kThreads, stream, shape,
                  in.count, in.sorted_keys, in.order, static_cast<const T*>(in.shares),
                  static_cast<const V*>(grad_output), static_cast<T*>(grad_value));
  });
}

}  // namespace rtdetr
