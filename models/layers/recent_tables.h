#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <utility>

#include <torch/types.h>

#include <c10/core/InferenceMode.h>

namespace rtdetr {

/// Tables that depend on a map's size, of recent sizes (multi-scale training uses a dozen), types and devices. Safe to
/// use from several threads.
template <typename Size, typename Table>
class RecentTables {
 public:
  /// The table for `size`, which `make()` makes if it is not there.
  template <typename Make>
  Table get(const Size& size, const torch::TensorOptions& options, const Make& make) {
    const auto type = torch::typeMetaToScalarType(options.dtype());
    const auto device = options.device();
    const std::lock_guard lock(mutex_);
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (!(it->size == size) || it->type != type || it->device != device) continue;
      entries_.splice(entries_.begin(), entries_, it);
      return it->table;
    }
    // Not made under the caller's InferenceMode: a table outlives the pass and may meet autograd later.
    const c10::InferenceMode normal_tensors(false);
    entries_.push_front({size, type, device, make()});
    if (entries_.size() > kCapacity) entries_.pop_back();
    return entries_.front().table;
  }

 private:
  struct Entry {
    Size size;
    torch::ScalarType type;
    torch::Device device;
    Table table;
  };
  static constexpr std::size_t kCapacity = 16;
  std::mutex mutex_;
  std::list<Entry> entries_;  ///< most recently used first
};

}  // namespace rtdetr
