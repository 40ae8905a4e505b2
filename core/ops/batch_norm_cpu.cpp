// Sixteen channels at a time, written with the compiler's vector types and instantiated for AVX-512, AVX2 and plain
// x86-64. Rows are walked in memory's order; sums are float64.
#include <algorithm>
#include <cstring>

#include "core/base/simd.h"
#include "core/base/vector_math.h"
#include "core/ops/batch_norm_kernels.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kLanes = 16;

using Floats = float __attribute__((vector_size(64)));
using Words = std::uint32_t __attribute__((vector_size(64)));
using Halves = std::uint16_t __attribute__((vector_size(32)));
using EightFloats = float __attribute__((vector_size(32)));
using Doubles = double __attribute__((vector_size(64)));

RTDETR_INLINE Floats load_full(const float* from) { return load_vector<Floats>(from); }

RTDETR_INLINE Floats load_full(const std::uint16_t* from) {
  Halves bits;
  std::memcpy(&bits, from, sizeof bits);
  return reinterpret_cast<Floats>(__builtin_convertvector(bits, Words) << 16);
}

RTDETR_INLINE void store_full(float* to, Floats v) { store_vector(to, v); }

/// To the nearest bfloat16, ties to even; not-a-number stays one.
RTDETR_INLINE void store_full(std::uint16_t* to, Floats v) {
  const Words bits = reinterpret_cast<Words>(v);
  const Words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const Words is_number = reinterpret_cast<Words>(v == v);
  const Halves result = __builtin_convertvector((rounded & is_number) | (0x7fc0 & ~is_number), Halves);
  std::memcpy(to, &result, sizeof result);
}

/// `n` of the lanes; the others are zero.
template <typename T>
RTDETR_INLINE Floats load(const T* from, std::int64_t n) {
  if (n == kLanes) return load_full(from);
  T lanes[kLanes] = {};
  std::memcpy(lanes, from, static_cast<std::size_t>(n) * sizeof(T));
  return load_full(lanes);
}

template <typename T>
RTDETR_INLINE void store(T* to, Floats v, std::int64_t n) {
  if (n == kLanes) return store_full(to, v);
  T lanes[kLanes];
  store_full(lanes, v);
  std::memcpy(to, lanes, static_cast<std::size_t>(n) * sizeof(T));
}

/// Running sums of sixteen channels, held in memory between groups of rows.
struct Sums {
  Doubles low, high;

  RTDETR_INLINE explicit Sums(const double* from) {
    std::memcpy(&low, from, sizeof low);
    std::memcpy(&high, from + kLanes / 2, sizeof high);
  }
  RTDETR_INLINE void keep(double* to) const {
    std::memcpy(to, &low, sizeof low);
    std::memcpy(to + kLanes / 2, &high, sizeof high);
  }
  RTDETR_INLINE void add_product(Floats a, Floats b) {
    EightFloats x[2], y[2];
    std::memcpy(x, &a, sizeof a);
    std::memcpy(y, &b, sizeof b);
    low += __builtin_convertvector(x[0], Doubles) * __builtin_convertvector(y[0], Doubles);
    high += __builtin_convertvector(x[1], Doubles) * __builtin_convertvector(y[1], Doubles);
  }
  RTDETR_INLINE void add(Floats v) { add_product(v, Floats{} + 1.0f); }
};

template <NormActivation A>
RTDETR_INLINE Floats activated(Floats z) {
  if constexpr (A == NormActivation::kRelu) return z < 0.0f ? Floats{} : z;  // not-a-number passes
  if constexpr (A == NormActivation::kSilu) return z * sigmoid_of(z);
  return z;
}

/// g · act'(z)
template <NormActivation A>
RTDETR_INLINE Floats activation_backward(Floats g, Floats z) {
  if constexpr (A == NormActivation::kRelu) return z > 0.0f ? g : Floats{};
  if constexpr (A == NormActivation::kSilu) {
    const Floats s = sigmoid_of(z);
    return g * s * (1.0f + z * (1.0f - s));
  }
  return g;
}

/// Calls body(first row, end row, channel, lanes) for every run of sixteen channels of four rows: so many that what a
/// run loads of its channels, and stores of their sums, is not most of the work.
template <typename Body>
RTDETR_INLINE void for_each_group(std::int64_t rows, std::int64_t channels, const Body& body) {
  constexpr std::int64_t kRows = 4;
  for (std::int64_t r = 0; r < rows; r += kRows) {
    const std::int64_t end = std::min(rows, r + kRows);
    std::int64_t c = 0;
    for (; c + kLanes <= channels; c += kLanes) body(r, end, c, kLanes);
    if (c < channels) body(r, end, c, channels - c);
  }
}

template <typename T>
RTDETR_INLINE void sums(const T* x, std::int64_t rows, std::int64_t channels, double* sum, double* squares) {
  for_each_group(rows, channels,
                 [&](std::int64_t begin, std::int64_t end, std::int64_t c, std::int64_t n) RTDETR_ALWAYS_INLINE {
                   Sums total(sum + c), square(squares + c);
                   for (std::int64_t r = begin; r < end; ++r) {
                     const Floats v = load(x + r * channels + c, n);
                     total.add(v);
                     square.add_product(v, v);
                   }
                   total.keep(sum + c);
                   square.keep(squares + c);
                 });
}

template <typename T, NormActivation A>
RTDETR_INLINE void normalize(const T* x, std::int64_t rows, std::int64_t channels, const ChannelNorm& norm, T* y) {
  for_each_group(rows, channels,
                 [&](std::int64_t begin, std::int64_t end, std::int64_t c, std::int64_t n) RTDETR_ALWAYS_INLINE {
                   const Floats mean = load_full(norm.mean + c), scale = load_full(norm.scale + c),
                                shift = load_full(norm.shift + c);
                   for (std::int64_t r = begin; r < end; ++r) {
                     const std::int64_t at = r * channels + c;
                     store(y + at, activated<A>((load(x + at, n) - mean) * scale + shift), n);
                   }
                 });
}

template <typename T, NormActivation A>
RTDETR_INLINE void backward_sums(const T* g, const T* x, std::int64_t rows, std::int64_t channels,
                                 const ChannelNorm& norm, double* sum, double* products, T* kept) {
  for_each_group(rows, channels,
                 [&](std::int64_t begin, std::int64_t end, std::int64_t c, std::int64_t n) RTDETR_ALWAYS_INLINE {
                   const Floats mean = load_full(norm.mean + c), inverse = load_full(norm.inverse_deviation + c);
                   const Floats scale = load_full(norm.scale + c), shift = load_full(norm.shift + c);
                   Sums total(sum + c), product(products + c);
                   for (std::int64_t r = begin; r < end; ++r) {
                     const std::int64_t at = r * channels + c;
                     const Floats v = load(x + at, n) - mean;
                     const Floats dz = activation_backward<A>(load(g + at, n), v * scale + shift);
                     if constexpr (keeps_gradient(A)) store(kept + at, dz, n);
                     total.add(dz);
                     product.add_product(dz, v * inverse);
                   }
                   total.keep(sum + c);
                   product.keep(products + c);
                 });
}

template <typename T, NormActivation A>
RTDETR_INLINE void backward_input(const T* g, const T* x, std::int64_t rows, std::int64_t channels,
                                  const ChannelNorm& norm, const float* mean_dz, const float* mean_product, T* dx) {
  for_each_group(rows, channels,
                 [&](std::int64_t begin, std::int64_t end, std::int64_t c, std::int64_t n) RTDETR_ALWAYS_INLINE {
                   const Floats mean = load_full(norm.mean + c), level = load_full(mean_dz + c);
                   const Floats scale = load_full(norm.scale + c), shift = load_full(norm.shift + c);
                   const Floats slope = load_full(norm.inverse_deviation + c) * load_full(mean_product + c);
                   for (std::int64_t r = begin; r < end; ++r) {
                     const std::int64_t at = r * channels + c;
                     const Floats v = load(x + at, n) - mean;
                     const Floats dz = activation_backward<A>(load(g + at, n), v * scale + shift);
                     store(dx + at, scale * (dz - level - v * slope), n);
                   }
                 });
}

// One table per instruction set and type; functions are compiled for `target`.
#define RTDETR_NORM_KERNELS(Level, target)                                                                         \
  template <typename T>                                                                                            \
  struct Level##Kernels {                                                                                          \
    target static void sums_(const T* x, std::int64_t rows, std::int64_t channels, double* sum, double* squares) { \
      sums(x, rows, channels, sum, squares);                                                                       \
    }                                                                                                              \
    template <NormActivation A>                                                                                    \
    target static void normalize_(const T* x, std::int64_t rows, std::int64_t channels, const ChannelNorm& norm,   \
                                  T* y) {                                                                          \
      normalize<T, A>(x, rows, channels, norm, y);                                                                 \
    }                                                                                                              \
    template <NormActivation A>                                                                                    \
    target static void backward_sums_(const T* g, const T* x, std::int64_t rows, std::int64_t channels,            \
                                      const ChannelNorm& norm, double* sum, double* products, T* dz) {             \
      backward_sums<T, A>(g, x, rows, channels, norm, sum, products, dz);                                          \
    }                                                                                                              \
    template <NormActivation A>                                                                                    \
    target static void backward_input_(const T* g, const T* x, std::int64_t rows, std::int64_t channels,           \
                                       const ChannelNorm& norm, const float* mean_dz, const float* mean_product,   \
                                       T* dx) {                                                                    \
      backward_input<T, A>(g, x, rows, channels, norm, mean_dz, mean_product, dx);                                 \
    }                                                                                                              \
    static constexpr BatchNormKernels<T> table{                                                                    \
        sums_,                                                                                                     \
        {normalize_<NormActivation::kNone>, normalize_<NormActivation::kRelu>, normalize_<NormActivation::kSilu>}, \
        {backward_sums_<NormActivation::kNone>, backward_sums_<NormActivation::kRelu>,                             \
         backward_sums_<NormActivation::kSilu>},                                                                   \
        {backward_input_<NormActivation::kNone>, backward_input_<NormActivation::kRelu>,                           \
         backward_input_<NormActivation::kSilu>}};                                                                 \
  };

RTDETR_FOR_EACH_CPU_LEVEL(RTDETR_NORM_KERNELS)

template <typename T>
const BatchNormKernels<T>& kernels_in_use() {
  return at_cpu_level(BaselineKernels<T>::table, Avx2Kernels<T>::table, Avx512Kernels<T>::table);
}

}  // namespace

template <>
const BatchNormKernels<float>& batch_norm_kernels<float>() {
  return kernels_in_use<float>();
}

template <>
const BatchNormKernels<std::uint16_t>& batch_norm_kernels<std::uint16_t>() {
  return kernels_in_use<std::uint16_t>();
}

}  // namespace rtdetr
