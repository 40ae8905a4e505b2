#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "data/dataset/sample.h"

namespace rtdetr {

/// Gives picture `index` of the data set, decoded; called from several threads at once.
using SampleSource = std::function<Sample(std::int64_t index)>;

/// Decoded pictures in memory, first come, up to a limit; the rest is decoded anew each time.
class SampleCache {
 public:
  SampleCache(SampleSource source, std::int64_t count, std::int64_t limit_bytes);
  /// From several threads at once. @throws what the source throws
  std::shared_ptr<const Sample> get(std::int64_t index);

 private:
  SampleSource source_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<const Sample>> kept_;
  std::int64_t free_bytes_;
};

}  // namespace rtdetr
