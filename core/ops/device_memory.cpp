#include "core/ops/device_memory.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/ops/device.h"

namespace rtdetr {
namespace {

std::string describe(const PictureLoad& load) {
  return counted(load.pictures, "picture") + " of " + std::to_string(load.height) + "x" + std::to_string(load.width);
}

/// As many pictures of the size that was tried as had the pixels that went well.
std::string what_would_fit(const PictureLoad& tried, const PictureLoad& fitted) {
  const std::int64_t pictures = fitted.pixels() / (tried.height * tried.width);
  if (pictures >= 1 && pictures < tried.pictures)
    return describe(fitted) + " did fit, so " + std::to_string(pictures) + " of this size should";
  if (fitted.pixels() > 0) return describe(fitted) + " did fit";
  if (tried.pictures == 1) return "nothing has fitted yet; smaller pictures (imgsz=) need less";
  return "nothing has fitted yet; " + std::to_string(tried.pictures / 2) + " at once need about half the memory";
}

}  // namespace

Error out_of_device_memory(const c10::Error& error, const PictureLoad& tried, const PictureLoad& fitted,
                           const std::string& advice) {
  return {ExitCode::kMemory, "the GPU has not enough memory for " + describe(tried) +
                                 " at once: " + what_would_fit(tried, fitted) + (advice.empty() ? "" : "; " + advice) +
                                 " (LibTorch: " + words_of(error) + ")"};
}

}  // namespace rtdetr
