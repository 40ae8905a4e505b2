#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <c10/util/Exception.h>
#include <torch/types.h>

#include "core/base/error.h"

namespace rtdetr {

/// Pictures that go through a model at once.
struct PictureLoad {
  std::int64_t pictures = 0, height = 0, width = 0;
  std::int64_t pixels() const { return pictures * height * width; }
};

/// Whether LibTorch says that a device has no memory left: its allocator, or one of CUDA's libraries that asks for
/// memory past it ("CUDA error: out of memory", CUBLAS_STATUS_ALLOC_FAILED). The host's memory is another matter.
bool is_out_of_device_memory(const c10::Error& error);

/// What to tell of it where nothing is known of what was tried, e.g. while the weights are brought.
/// @param words  who says it, and what: "LibTorch: CUDA out of memory"
Error out_of_device_memory(const std::string& words);

/// What to tell when a device has no memory left: what was tried, and what would fit. That is known where something
/// smaller has gone well; else half of it is named as what needs half the memory.
/// @param tried   at least one picture
/// @param fitted  the largest load that went well; no pictures: none has
/// @param advice  what else helps, for the end of the sentence; may be empty
Error out_of_device_memory(const c10::Error& error, const PictureLoad& tried, const PictureLoad& fitted,
                           const std::string& advice);

/// The most bytes that tensors have taken on a card so far; nullopt on the CPU, of whose memory the operating system
/// knows.
std::optional<std::int64_t> peak_memory_of(torch::Device device);
/// From now on the peak is that of what comes.
void forget_peak_memory_of(torch::Device device);

/// Remembers the largest load that a device has borne, and says it when one is too large.
class LoadLimit {
 public:
  explicit LoadLimit(std::string advice = "") : advice_(std::move(advice)) {}
  /// @throws Error  kMemory, instead of LibTorch's
  template <typename Work>
  auto run(const PictureLoad& load, Work&& work) {
    try {
      if constexpr (std::is_void_v<decltype(work())>) {
        work();
        remember(load);
      } else {
        auto result = work();
        remember(load);
        return result;
      }
    } catch (const c10::Error& error) {
      if (!is_out_of_device_memory(error)) throw;
      throw out_of_device_memory(error, load, fitted_, advice_);
    }
  }

 private:
  void remember(const PictureLoad& load) {
    if (load.pixels() > fitted_.pixels()) fitted_ = load;
  }

  std::string advice_;
  PictureLoad fitted_;
};

}  // namespace rtdetr
