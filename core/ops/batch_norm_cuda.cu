// The idea: a map is rows of channels, and a thread stays on one to four of these (batch_norm_cuda_map.h): what it
// needs of them is loaded once. Sums go by steps whose order depends on the shape alone: sixteen rows in float, those
// in double by thread, block and slice of the map; the slices are added up by a kernel of their own, without atomics.
#include "core/ops/batch_norm_cuda.h"

#include "core/ops/batch_norm_cuda_map.h"
#include "core/ops/cuda_kernel.h"

namespace rtdetr {
namespace {

template <int V>
struct ChannelNorms {
  Numbers<V> mean, inverse, scale, shift;
  __device__ ChannelNorms(const float* norm, std::int64_t channels, std::int64_t channel)
      : mean(load<V>(norm + channel)),
        inverse(load<V>(norm + channels + channel)),
        scale(load<V>(norm + 2 * channels + channel)),
        shift(load<V>(norm + 3 * channels + channel)) {}
  __device__ ChannelNorms(const BatchNormFixed& fixed, std::int64_t channel)
      : mean(load<V>(fixed.mean + channel)),
        scale(load<V>(fixed.weight + channel)),
        shift(load<V>(fixed.bias + channel)) {
    const Numbers<V> variance = load<V>(fixed.variance + channel);
    for (int i = 0; i < V; ++i) {
      inverse.of[i] = 1.0f / sqrtf(variance.of[i] + fixed.eps);
      scale.of[i] *= inverse.of[i];
    }
  }
  __device__ void keep(float* norm, std::int64_t channels, std::int64_t channel) const {
    store<V>(norm + channel, mean);
    store<V>(norm + channels + channel, inverse);
    store<V>(norm + 2 * channels + channel, scale);
    store<V>(norm + 3 * channels + channel, shift);
  }
};

__device__ inline float sigmoid(float z) { return 1.0f / (1.0f + expf(-z)); }

template <NormActivation A>
__device__ float activated(float z) {
  if (A == NormActivation::kRelu) return z < 0.0f ? 0.0f : z;  // not-a-number passes
  if (A == NormActivation::kSilu) return z * sigmoid(z);
  return z;
}

/// g · act'(z)
template <NormActivation A>
__device__ float activation_backward(float g, float z) {
  if (A == NormActivation::kRelu) return z > 0.0f ? g : 0.0f;
  if (A == NormActivation::kSilu) {
    const float s = sigmoid(z);
    return g * s * (1.0f + z * (1.0f - s));
  }
  return g;
}

/// Two sums for each of V channels.
template <typename T, int V>
struct PairSums {
  T first[V] = {}, second[V] = {};
};

/// Adds up what add_row(row, sums) adds for each row of a thread.
template <int V, typename AddRow>
__device__ PairSums<double, V> sum_rows(const Place& at, const AddRow& add_row) {
  constexpr int kRun = 16;
  PairSums<double, V> total;
  std::int64_t row = at.first_row;
  while (row < at.end_row) {
    PairSums<float, V> run;
    if (row + (kRun - 1) * at.step < at.end_row) {
#pragma unroll 4
      for (int i = 0; i < kRun; ++i, row += at.step) add_row(row, run);
    } else {
      for (; row < at.end_row; row += at.step) add_row(row, run);
    }
    for (int i = 0; i < V; ++i) total.first[i] += run.first[i], total.second[i] += run.second[i];
  }
  return total;
}

/// Adds the sums of a block's rows to those of its first row, whose threads get them all. All threads come here.
template <int V>
__device__ PairSums<double, V> sum_block(const PairSums<double, V>& own, int lanes) {
  __shared__ double shared[2 * V][kThreads];
  const int me = static_cast<int>(threadIdx.x);
  for (int i = 0; i < V; ++i) shared[i][me] = own.first[i], shared[V + i][me] = own.second[i];
  for (int half = kThreads / 2; half >= lanes; half /= 2) {
    __syncthreads();
    if (me < half) {
      for (int i = 0; i < 2 * V; ++i) shared[i][me] += shared[i][me + half];
    }
  }
  PairSums<double, V> total;  // a thread of the first row wrote its own last
  for (int i = 0; i < V; ++i) total.first[i] = shared[i][me], total.second[i] = shared[V + i][me];
  return total;
}

template <int V>
__device__ void keep_sums(double* values, std::int64_t channels, std::int64_t channel,
                          const PairSums<double, V>& sums) {
  double* slice = values + 2 * channels * blockIdx.y;
  for (int i = 0; i < V; ++i) {
    slice[channel + i] = sums.first[i];
    slice[channels + channel + i] = sums.second[i];
  }
}

/// Float sums of the distances to one value of the channel keep their digits wherever its mean is.
template <typename T, int V>
__global__ void sums_kernel(BatchNormShape shape, Layout layout, const T* __restrict__ x, double* values) {
  const Place at = Place::of_thread<V>(shape, layout);
  const bool has_channel = at.channel < shape.channels;
  const std::int64_t top = blockIdx.y * layout.slice_rows;
  Numbers<V> pivot = {};
  PairSums<double, V> own;
  if (has_channel && top < shape.rows) {
    pivot = load<V>(x + top * shape.channels + at.channel);
    own = sum_rows<V>(at, [&](std::int64_t row, PairSums<float, V>& sums) {
      const Numbers<V> v = load<V>(x + row * shape.channels + at.channel);
      for (int i = 0; i < V; ++i) {
        const float distance = v.of[i] - pivot.of[i];
        sums.first[i] += distance;
        sums.second[i] += distance * distance;
      }
    });
  }
  PairSums<double, V> total = sum_block<V>(own, layout.lanes);
  if (!has_channel || static_cast<int>(threadIdx.x) >= layout.lanes) return;
  const double rows = top < at.end_row ? static_cast<double>(at.end_row - top) : 0.0;
  for (int i = 0; i < V; ++i) {
    const double p = pivot.of[i], distances = total.first[i];
    total.first[i] += rows * p;
    total.second[i] += 2 * p * distances + rows * p * p;
  }
  keep_sums<V>(values, shape.channels, at.channel, total);
}

template <NormActivation A, typename T, int V>
__device__ void normalize_rows(const Place& at, std::int64_t channels, const ChannelNorms<V>& n,
                               const T* __restrict__ x, T* __restrict__ y) {
#pragma unroll 4
  for (std::int64_t row = at.first_row; row < at.end_row; row += at.step) {
    const std::int64_t here = row * channels + at.channel;
    Numbers<V> v = load<V>(x + here);
    for (int i = 0; i < V; ++i) v.of[i] = activated<A>((v.of[i] - n.mean.of[i]) * n.scale.of[i] + n.shift.of[i]);
    store<V>(y + here, v);
  }
}

template <typename T, int V, NormActivation A>
__global__ void normalize_kernel(BatchNormShape shape, Layout layout, const T* __restrict__ x,
                                 const float* __restrict__ norm, T* __restrict__ y) {
  const Place at = Place::of_thread<V>(shape, layout);
  if (at.channel >= shape.channels) return;
  normalize_rows<A>(at, shape.channels, ChannelNorms<V>(norm, shape.channels, at.channel), x, y);
}

template <typename T, int V, NormActivation A>
__global__ void fixed_kernel(BatchNormShape shape, Layout layout, const T* __restrict__ x, BatchNormFixed fixed,
                             float* norm, T* __restrict__ y) {
  const Place at = Place::of_thread<V>(shape, layout);
  if (at.channel >= shape.channels) return;
  const ChannelNorms<V> n(fixed, at.channel);
  if (norm && at.first_row == 0) n.keep(norm, shape.channels, at.channel);
  normalize_rows<A>(at, shape.channels, n, x, y);
}

template <typename T, int V, NormActivation A>
__global__ void backward_sums_kernel(BatchNormShape shape, Layout layout, const T* __restrict__ x,
                                     const T* __restrict__ g, const float* __restrict__ norm, double* values) {
  const Place at = Place::of_thread<V>(shape, layout);
  const bool has_channel = at.channel < shape.channels;
  PairSums<double, V> own;
  if (has_channel) {
    const ChannelNorms<V> n(norm, shape.channels, at.channel);
    own = sum_rows<V>(at, [&](std::int64_t row, PairSums<float, V>& sums) {
      const std::int64_t here = row * shape.channels + at.channel;
      const Numbers<V> v = load<V>(x + here), upstream = load<V>(g + here);
      for (int i = 0; i < V; ++i) {
        const float distance = v.of[i] - n.mean.of[i];
        const float dz = activation_backward<A>(upstream.of[i], distance * n.scale.of[i] + n.shift.of[i]);
        sums.first[i] += dz;
        sums.second[i] += dz * (distance * n.inverse.of[i]);
      }
    });
  }
  const PairSums<double, V> total = sum_block<V>(own, layout.lanes);
  if (has_channel && static_cast<int>(threadIdx.x) < layout.lanes)
    keep_sums<V>(values, shape.channels, at.channel, total);
}

template <typename T, int V, NormActivation A>
__global__ void input_kernel(BatchNormShape shape, Layout layout, const T* __restrict__ x, const T* __restrict__ g,
                             const float* __restrict__ norm, const float* __restrict__ means, T* __restrict__ dx) {
  const Place at = Place::of_thread<V>(shape, layout);
  if (at.channel >= shape.channels) return;
  const ChannelNorms<V> n(norm, shape.channels, at.channel);
  Numbers<V> level = {}, slope = {};
  if (means) {
    level = load<V>(means + at.channel);
    slope = load<V>(means + shape.channels + at.channel);
    for (int i = 0; i < V; ++i) slope.of[i] *= n.inverse.of[i];
  }
#pragma unroll 4
  for (std::int64_t row = at.first_row; row < at.end_row; row += at.step) {
    const std::int64_t here = row * shape.channels + at.channel;
    const Numbers<V> upstream = load<V>(g + here);
    Numbers<V> v = load<V>(x + here);
    for (int i = 0; i < V; ++i) {
      const float distance = v.of[i] - n.mean.of[i];
      const float dz = activation_backward<A>(upstream.of[i], distance * n.scale.of[i] + n.shift.of[i]);
      v.of[i] = n.scale.of[i] * (dz - level.of[i] - distance * slope.of[i]);
    }
    store<V>(dx + here, v);
  }
}

constexpr int kTotalThreads = 512, kTotalLanes = 32;

/// The sums of all slices of a channel for the threads of a block's first row; all threads come here.
__device__ inline PairSums<double, 1> sum_slices(const BatchNormSums& sums, std::int64_t channel) {
  constexpr int kBelow = kTotalThreads / kTotalLanes;
  __shared__ double shared[2][kTotalThreads];
  const int me = static_cast<int>(threadIdx.x);
  PairSums<double, 1> own;
  if (channel < sums.channels) {
#pragma unroll 4
    for (std::int64_t slice = me / kTotalLanes; slice < sums.slices; slice += kBelow) {
      own.first[0] += sums.values[2 * slice * sums.channels + channel];
      own.second[0] += sums.values[(2 * slice + 1) * sums.channels + channel];
    }
  }
  shared[0][me] = own.first[0], shared[1][me] = own.second[0];
  __syncthreads();
  for (int other = me + kTotalLanes; me < kTotalLanes && other < kTotalThreads; other += kTotalLanes)
    own.first[0] += shared[0][other], own.second[0] += shared[1][other];
  return own;
}

__device__ inline std::int64_t total_channel() {
  return std::int64_t(blockIdx.x) * kTotalLanes + threadIdx.x % kTotalLanes;
}
__device__ inline bool has_total(const BatchNormSums& sums, std::int64_t channel) {
  return threadIdx.x < kTotalLanes && channel < sums.channels;
}

__global__ void statistics_kernel(BatchNormSums sums, BatchNormStatistics out) {
  const std::int64_t c = total_channel();
  const PairSums<double, 1> total = sum_slices(sums, c);
  if (!has_total(sums, c)) return;
  const double rows = sums.joined_rows ? *sums.joined_rows : sums.rows;
  const double mean = total.first[0] / rows, square = total.second[0] / rows - mean * mean;
  const double variance = square < 0 ? 0 : square;  // not-a-number passes
  const float momentum = static_cast<float>(out.momentum);
  out.running_mean[c] += momentum * (static_cast<float>(mean) - out.running_mean[c]);
  const double unbiased = variance * (rows / (rows > 2 ? rows - 1 : 1));
  out.running_var[c] += momentum * (static_cast<float>(unbiased) - out.running_var[c]);
  const double inverse = 1 / sqrt(variance + out.eps), gain = out.weight[c] * inverse;
  const float rounded = static_cast<float>(mean);
  out.norm[c] = rounded;
  out.norm[sums.channels + c] = static_cast<float>(inverse);
  out.norm[2 * sums.channels + c] = static_cast<float>(gain);
  // What rounding the mean took away is put back here: it would move the whole channel.
  out.norm[3 * sums.channels + c] = static_cast<float>(out.bias[c] + (rounded - mean) * gain);
}

__global__ void totals_kernel(BatchNormSums sums, BatchNormTotals out) {
  const std::int64_t c = total_channel();
  const PairSums<double, 1> total = sum_slices(sums, c);
  if (!has_total(sums, c)) return;
  const double rows = sums.joined_rows ? *sums.joined_rows : sums.rows;
  if (out.sums) {
    out.sums[c] = static_cast<float>(total.first[0]);
    out.sums[sums.channels + c] = static_cast<float>(total.second[0]);
  }
  if (out.means) {
    out.means[c] = static_cast<float>(total.first[0] / rows);
    out.means[sums.channels + c] = static_cast<float>(total.second[0] / rows);
  }
  if (!out.joined) return;
  out.joined[c] = total.first[0];
  out.joined[sums.channels + c] = total.second[0];
  if (c == 0) out.joined[2 * sums.channels] = rows;
}

template <NormActivation A>
struct ActivationOf {
  static constexpr NormActivation value = A;
};

template <typename Body>
cudaError_t with_activation(NormActivation activation, const Body& body) {
  if (activation == NormActivation::kRelu) return body(ActivationOf<NormActivation::kRelu>());
  if (activation == NormActivation::kSilu) return body(ActivationOf<NormActivation::kSilu>());
  return body(ActivationOf<NormActivation::kNone>());
}

unsigned total_blocks(const BatchNormSums& sums) { return blocks_for(sums.channels, kTotalLanes); }

}  // namespace

std::int64_t batch_norm_slices(const BatchNormShape& shape) {
  constexpr std::int64_t kElements = 16384, kMostBlocks = 1024, kMostSlices = 512;
  const std::int64_t groups = (shape.channels + kMostLanes * kPack - 1) / (kMostLanes * kPack);
  const std::int64_t wanted = shape.rows * shape.channels / (groups * kElements);
  const std::int64_t most = kMostBlocks / groups < kMostSlices ? kMostBlocks / groups : kMostSlices;
  const std::int64_t slices = wanted < most ? wanted : most;
  return slices < 1 ? 1 : slices;
}

cudaError_t launch_batch_norm_sums(const BatchNormMap& x, const BatchNormSums& out, cudaStream_t stream) {
  return with_pack(x, {}, [&](auto zero, auto pack) {
    using T = decltype(zero);
    constexpr int V = decltype(pack)::value;
    const Layout layout = make_layout(x.shape, V, out.slices);
    return launch(sums_kernel<T, V>, {layout.groups, layout.slices, 1}, kThreads, stream, x.shape, layout,
                  static_cast<const T*>(x.elements), out.values);
  });
}

cudaError_t launch_batch_norm_statistics(const BatchNormSums& sums, const BatchNormStatistics& out,
                                         cudaStream_t stream) {
  return launch(statistics_kernel, {total_blocks(sums), 1, 1}, kTotalThreads, stream, sums, out);
}

cudaError_t launch_batch_norm_normalize(const BatchNormMap& x, NormActivation activation, const float* norm, void* y,
                                        cudaStream_t stream) {
  return with_activation(activation, [&](auto act) {
    return with_pack(x, {y}, [&](auto zero, auto pack) {
      using T = decltype(zero);
      constexpr int V = decltype(pack)::value;
      const Layout layout = make_writing_layout(x.shape, V);
      return launch(normalize_kernel<T, V, decltype(act)::value>, {layout.groups, layout.slices, 1}, kThreads, stream,
                    x.shape, layout, static_cast<const T*>(x.elements), norm, static_cast<T*>(y));
    });
  });
}

cudaError_t launch_batch_norm_fixed(const BatchNormMap& x, NormActivation activation, const BatchNormFixed& fixed,
                                    float* norm, void* y, cudaStream_t stream) {
  return with_activation(activation, [&](auto act) {
    return with_pack(x, {y, fixed.weight, fixed.bias, fixed.mean, fixed.variance}, [&](auto zero, auto pack) {
      using T = decltype(zero);
      constexpr int V = decltype(pack)::value;
      const Layout layout = make_writing_layout(x.shape, V);
      return launch(fixed_kernel<T, V, decltype(act)::value>, {layout.groups, layout.slices, 1}, kThreads, stream,
                    x.shape, layout, static_cast<const T*>(x.elements), fixed, norm, static_cast<T*>(y));
    });
  });
}

cudaError_t launch_batch_norm_backward_sums(const BatchNormMap& x, const void* g, NormActivation activation,
                                            const float* norm, const BatchNormSums& out, cudaStream_t stream) {
  return with_activation(activation, [&](auto act) {
    return with_pack(x, {g}, [&](auto zero, auto pack) {
      using T = decltype(zero);
      constexpr int V = decltype(pack)::value;
      const Layout layout = make_layout(x.shape, V, out.slices);
      return launch(backward_sums_kernel<T, V, decltype(act)::value>, {layout.groups, layout.slices, 1}, kThreads,
                    stream, x.shape, layout, static_cast<const T*>(x.elements), static_cast<const T*>(g), norm,
                    out.values);
    });
  });
}

cudaError_t launch_batch_norm_totals(const BatchNormSums& sums, const BatchNormTotals& out, cudaStream_t stream) {
  return launch(totals_kernel, {total_blocks(sums), 1, 1}, kTotalThreads, stream, sums, out);
}

cudaError_t launch_batch_norm_input(const BatchNormMap& x, const void* g, NormActivation activation, const float* norm,
                                    const float* means, void* dx, cudaStream_t stream) {
  return with_activation(activation, [&](auto act) {
    return with_pack(x, {g, dx}, [&](auto zero, auto pack) {
      using T = decltype(zero);
      constexpr int V = decltype(pack)::value;
      const Layout layout = make_writing_layout(x.shape, V);
      return launch(input_kernel<T, V, decltype(act)::value>, {layout.groups, layout.slices, 1}, kThreads, stream,
                    x.shape, layout, static_cast<const T*>(x.elements), static_cast<const T*>(g), norm, means,
                    static_cast<T*>(dx));
    });
  });
}

}  // namespace rtdetr
