#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <string>
#include <utility>

#include <c10/util/Exception.h>

#include "core/base/error.h"

namespace rtdetr {

/// Pictures that go through a model at once.
struct PictureLoad {
  std::int64_t pictures = 0, height = 0, width = 0;
  std::int64_t pixels() const { return pictures * height * width; }
};

/// What to tell when a device has no memory left: what was tried, and what would fit. That is known where something
/// smaller has gone well; else half of it is named as what needs half the memory.
/// @param tried   at least one picture
/// @param fitted  the largest load that went well; no pictures: none has
/// @param advice  what else helps, for the end of the sentence; may be empty
Error out_of_device_memory(const c10::Error& error, const PictureLoad& tried, const PictureLoad& fitted,
                           const std::string& advice);

/// Remembers the largest load that a device has borne, and says it when one is too large.
class LoadLimit {
 public:
  explicit LoadLimit(std::string advice = "") : advice_(std::move(advice)) {}
  /// @throws Error  kMemory, instead of LibTorch's
  template <typename Work>
  auto run(const PictureLoad& load, Work&& work) {
    try {
      auto result = work();
      if (load.pixels() > fitted_.pixels()) fitted_ = load;
      return result;
    } catch (const c10::OutOfMemoryError& error) {
      throw out_of_device_memory(error, load, fitted_, advice_);
    }
  }

 private:
  std::string advice_;
  PictureLoad fitted_;
};

}  // namespace rtdetr
