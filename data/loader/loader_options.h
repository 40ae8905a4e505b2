#pragma once

#include <cstdint>

#include "data/loader/float_pool.h"

namespace rtdetr {

/// Of several processes (`world`) that train together each has a loader with its `rank` and otherwise the same options.
/// Batch k of all of them is batch k of one process alone, dealt out picture by picture as the official recipe's
/// DistributedSampler does: rank r gets the pictures r, r + world, r + 2·world … of it, all of one size. So that all
/// ranks have as many, a batch that does not divide is filled up with pictures from the beginning of the epoch's order;
/// Batch::repeated tells them, and with drop_last and a `batch_size` that divides there are none.
struct LoaderOptions {
  std::int64_t batch_size = 16;  ///< of all ranks together
  int threads = 4;               ///< 0 = in the caller's thread; the batches are the same for any number
  int prefetch = 2;              ///< finished batches waiting at most
  std::uint64_t seed = 0;
  bool shuffle = true;
  bool drop_last = true;       ///< a last batch that is not full is left out; else it is smaller
  double max_bad = 0.001;      ///< share of unreadable pictures above which the run stops; a rank counts its own
  std::int64_t cache_mib = 0;  ///< decoded pictures kept in memory, first come; 0 = none
  std::int64_t rank = 0, world = 1;
  FloatSource memory;  ///< of the batches, e.g. such as a device copies from fast; empty = ordinary

  /// Of an epoch over so many pictures; the same on all ranks.
  std::int64_t batches_per_epoch(std::int64_t pictures) const {
    return drop_last ? pictures / batch_size : (pictures + batch_size - 1) / batch_size;
  }
};

}  // namespace rtdetr
