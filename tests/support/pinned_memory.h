#pragma once

#include <cstddef>
#include <map>
#include <mutex>

#include <torch/types.h>

namespace rtdetr::test {

/// Memory of the host that the device could read by itself.
class PinnedMemory : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    c10::DataPtr plain = c10::GetAllocator(torch::kCPU)->allocate(bytes);
    void* const first = plain.get();
    const std::lock_guard lock(mutex_);
    blocks_[first] = bytes;
    auto* kept = new c10::DataPtr(std::move(plain));
    return {first, kept, &release, torch::kCPU};
  }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { default_copy_data(to, from, bytes); }
  bool has(const void* address) const {
    const std::lock_guard lock(mutex_);
    auto block = blocks_.upper_bound(address);
    if (block == blocks_.begin()) return false;
    --block;
    return address < static_cast<const char*>(block->first) + std::max<std::size_t>(block->second, 1);
  }
  static PinnedMemory& instance() {
    static PinnedMemory memory;
    return memory;
  }

 private:
  static void release(void* kept) {
    auto* plain = static_cast<c10::DataPtr*>(kept);
    {
      const std::lock_guard lock(instance().mutex_);
      instance().blocks_.erase(plain->get());
    }
    delete plain;
  }

  mutable std::mutex mutex_;
  std::map<const void*, std::size_t> blocks_;
};

}  // namespace rtdetr::test
