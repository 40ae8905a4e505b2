#include "core/ops/device_memory.h"

#include <algorithm>

#include <c10/core/CachingDeviceAllocator.h>

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

/// Who counts a card's memory; nullptr for the CPU.
c10::DeviceAllocator* allocator_of(torch::Device device) {
  return device.is_cuda() ? dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(device.type())) : nullptr;
}

c10::DeviceIndex index_of(torch::Device device) { return std::max<c10::DeviceIndex>(0, device.index()); }

}  // namespace

std::optional<std::int64_t> peak_memory_of(torch::Device device) {
  c10::DeviceAllocator* allocator = allocator_of(device);
  if (allocator == nullptr) return std::nullopt;
  constexpr std::size_t kAllSizes = 0;
  return allocator->getDeviceStats(index_of(device)).allocated_bytes[kAllSizes].peak;
}

void forget_peak_memory_of(torch::Device device) {
  if (c10::DeviceAllocator* allocator = allocator_of(device)) allocator->resetPeakStats(index_of(device));
}

bool is_out_of_device_memory(const c10::Error& error) {
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr) return true;
  const std::string text = words_of(error);
  if (text.find("STATUS_ALLOC_FAILED") != std::string::npos) return true;  // cuBLAS, cuDNN, cuSOLVER, cuSPARSE
  return text.find("CUDA") != std::string::npos && text.find("out of memory") != std::string::npos;
}

Error out_of_device_memory(const std::string& words) {
  return {
      ExitCode::kMemory,
      "the GPU has not enough memory; a smaller batch= or imgsz= needs less, and other programs on it leave less (" +
          words + ")"};
}

Error out_of_device_memory(const c10::Error& error, const PictureLoad& tried, const PictureLoad& fitted,
                           const std::string& advice) {
  return {ExitCode::kMemory, "the GPU has not enough memory for " + describe(tried) +
                                 " at once: " + what_would_fit(tried, fitted) + (advice.empty() ? "" : "; " + advice) +
                                 " (LibTorch: " + words_of(error) + ")"};
}

}  // namespace rtdetr
