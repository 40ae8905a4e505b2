#pragma once

#include <cstdint>

namespace rtdetr {

struct LoaderOptions {
  std::int64_t batch_size = 16;
  int threads = 2;   ///< 0 = in the caller's thread; the batches are the same for any number
  int prefetch = 2;  ///< finished batches waiting at most
  std::uint64_t seed = 0;
  bool shuffle = true;
  bool drop_last = true;         ///< a last batch that is not full is left out; else it is smaller
  double max_bad = 0.001;        ///< share of unreadable pictures above which the run stops
  std::int64_t cache_mib = 512;  ///< decoded pictures kept in memory, first come; 0 = none
};

}  // namespace rtdetr
