#include "core/ops/packed/pooled_run.h"

#include "core/ops/packed/packed_shapes.h"

namespace rtdetr {
namespace {

template <typename S, typename Number>
RTDETR_INLINE void pool_pixel(const PooledRun& p, std::int64_t pixel) {
  for (std::int64_t c = 0; c < p.channels; c += S::kLanes) {
    const std::int64_t from = pixel * p.from_step + c, count = p.channels - c;
    typename S::Vector pooled{};
    if (p.largest) {
      pooled += p.number;
      for (std::int64_t i = 0; i < p.cell_count; ++i) {
        const auto x = load_some<S>(p.cells[i].numbers<Number>() + from, count);
        pooled = x > pooled ? x : pooled;
      }
    } else {
      for (std::int64_t i = 0; i < p.cell_count; ++i)
        pooled += load_some<S>(p.cells[i].numbers<Number>() + from, count);
      pooled *= p.number;
    }
    store_some<S>(p.to.numbers<Number>() + pixel * p.to_step + c, pooled, count);
  }
}

template <typename S>
RTDETR_INLINE void pool_run(const PooledRun& p) {
  with_numbers<S>(p.to.format, [&]<typename Number>() RTDETR_ALWAYS_INLINE {
    for (std::int64_t pixel = 0; pixel < p.pixels; ++pixel) pool_pixel<S, Number>(p, pixel);
  });
}

#define RTDETR_POOL_KERNEL(Level, target) \
  target void pool_##Level(const PooledRun& run) { pool_run<Level##Shape>(run); }
RTDETR_FOR_EACH_CPU_LEVEL(RTDETR_POOL_KERNEL)

using PoolKernel = void (*)(const PooledRun&);
constexpr PoolKernel kPoolBaseline = pool_Baseline, kPoolAvx2 = pool_Avx2, kPoolAvx512 = pool_Avx512;

}  // namespace

void pool(const PooledRun& run) { at_cpu_level(kPoolBaseline, kPoolAvx2, kPoolAvx512)(run); }

}  // namespace rtdetr
