#pragma once

#include "core/base/cpp20.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace rtdetr {

/// Rank of an id among the sorted unique ids of a file. Ids of a narrow range are looked up in a table, others by
/// bisection, so that ids beyond 2^31 cost no memory.
class IdIndex {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  explicit IdIndex(std::span<const std::int64_t> ids) : ids_(ids.begin(), ids.end()) {
    std::sort(ids_.begin(), ids_.end());
    ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
    if (ids_.empty()) return;
    const std::uint64_t range = offset(ids_.back());
    if (range >= 256 * static_cast<std::uint64_t>(ids_.size()) + 65536) return;
    table_.assign(range + 1, kNone);
    for (std::size_t i = 0; i < ids_.size(); ++i) table_[offset(ids_[i])] = static_cast<std::uint32_t>(i);
  }

  std::uint32_t find(std::int64_t id) const {
    if (!table_.empty()) {
      const std::uint64_t at = offset(id);
      return at < table_.size() ? table_[at] : kNone;
    }
    const auto at = std::lower_bound(ids_.begin(), ids_.end(), id);
    return at != ids_.end() && *at == id ? static_cast<std::uint32_t>(at - ids_.begin()) : kNone;
  }

  const std::vector<std::int64_t>& ids() const { return ids_; }
  std::size_t size() const { return ids_.size(); }

 private:
  /// Distance from the smallest id; unsigned, because it can exceed 63 bits.
  std::uint64_t offset(std::int64_t id) const {
    return static_cast<std::uint64_t>(id) - static_cast<std::uint64_t>(ids_.front());
  }

  std::vector<std::int64_t> ids_;
  std::vector<std::uint32_t> table_;
};

}  // namespace rtdetr
