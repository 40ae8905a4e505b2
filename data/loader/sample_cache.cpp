#include "data/loader/sample_cache.h"

#include <utility>

namespace rtdetr {

SampleCache::SampleCache(SampleSource source, std::int64_t count, std::int64_t limit_bytes)
    : source_(std::move(source)),
      kept_(static_cast<std::size_t>(limit_bytes > 0 ? count : 0)),
      free_bytes_(limit_bytes) {}

std::shared_ptr<const Sample> SampleCache::get(std::int64_t index) {
  const auto i = static_cast<std::size_t>(index);
  if (!kept_.empty()) {
    const std::lock_guard lock(mutex_);
    if (kept_[i]) return kept_[i];
  }
  auto sample = std::make_shared<const Sample>(source_(index));
  const auto bytes = static_cast<std::int64_t>(sample->picture.rgb.size());
  if (!kept_.empty()) {
    const std::lock_guard lock(mutex_);
    if (!kept_[i] && bytes <= free_bytes_) {
      kept_[i] = sample;
      free_bytes_ -= bytes;
    }
  }
  return sample;
}

}  // namespace rtdetr
