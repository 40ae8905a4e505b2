#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <initializer_list>

#include "core/ops/batch_norm_cuda.h"
#include "core/ops/cuda_kernel.h"

/// How the threads of a kernel lie over a channels-last map: neighbours take neighbouring packs of channels, the other
/// threads of a block the rows below, and each stays on its channels.
namespace rtdetr {

inline constexpr int kThreads = 256, kPack = 4, kMostLanes = 32;

template <typename T, int V>
struct Pack {
  alignas(sizeof(T) * V) T of[V];
};

template <int V>
struct Numbers {
  float of[V];
};

template <int V, typename T>
__device__ Numbers<V> load(const T* from) {
  const Pack<T, V> pack = *reinterpret_cast<const Pack<T, V>*>(from);
  Numbers<V> numbers;
  for (int i = 0; i < V; ++i) numbers.of[i] = widen(pack.of[i]);
  return numbers;
}

template <int V, typename T>
__device__ void store(T* to, const Numbers<V>& numbers) {
  Pack<T, V> pack;
  for (int i = 0; i < V; ++i) pack.of[i] = narrow<T>(numbers.of[i]);
  *reinterpret_cast<Pack<T, V>*>(to) = pack;
}

/// How the blocks of a kernel lie over a map.
struct Layout {
  int lanes;  ///< packs of channels beside each other in a block, a power of two; the rest of its threads are rows
  unsigned groups, slices;  ///< blocks beside each other, and below
  std::int64_t slice_rows;
};

/// @param slices  wanted
inline Layout make_layout(const BatchNormShape& shape, int pack, std::int64_t slices) {
  const std::int64_t packs = (shape.channels + pack - 1) / pack;
  Layout layout;
  for (layout.lanes = 1; layout.lanes < kMostLanes && layout.lanes < packs;) layout.lanes *= 2;
  layout.groups = static_cast<unsigned>((packs + layout.lanes - 1) / layout.lanes);
  layout.slices = static_cast<unsigned>(slices);
  layout.slice_rows = (shape.rows + slices - 1) / slices;
  return layout;
}

/// For kernels that write a map: some rows for each thread, so that it loads what it needs of its channels once.
inline Layout make_writing_layout(const BatchNormShape& shape, int pack) {
  const std::int64_t rows_together = kThreads / make_layout(shape, pack, 1).lanes, rows_each = 8;
  return make_layout(shape, pack, blocks_for(shape.rows, rows_together * rows_each));
}

/// Where a thread works: its first channel, and its rows.
struct Place {
  std::int64_t channel, first_row, end_row;
  int step;

  template <int V>
  __device__ static Place of_thread(const BatchNormShape& shape, const Layout& layout) {
    const std::int64_t top = blockIdx.y * layout.slice_rows, bottom = top + layout.slice_rows;
    const int lane = static_cast<int>(threadIdx.x) % layout.lanes, below = static_cast<int>(threadIdx.x) / layout.lanes;
    return {(std::int64_t(blockIdx.x) * layout.lanes + lane) * V, top + below,
            bottom < shape.rows ? bottom : shape.rows, kThreads / layout.lanes};
  }
};

template <int V>
struct PackOf {
  static constexpr int value = V;
};

/// Calls body(T(), PackOf<V>()): packs where channels and all addresses allow. Four floats are the largest.
template <typename Body>
cudaError_t with_pack(const BatchNormMap& x, std::initializer_list<const void*> others, const Body& body) {
  std::uintptr_t bits = reinterpret_cast<std::uintptr_t>(x.elements);
  for (const void* other : others) bits |= reinterpret_cast<std::uintptr_t>(other);
  const bool packs = x.shape.channels % kPack == 0 && bits % alignof(Pack<float, kPack>) == 0;
  return with_half_or_float(x.type,
                            [&](auto zero) { return packs ? body(zero, PackOf<kPack>()) : body(zero, PackOf<1>()); });
}

}  // namespace rtdetr
