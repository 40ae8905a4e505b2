#include "core/ops/device.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <torch/torch.h>

#include "core/base/error.h"
#include "core/ops/cuda_plugin.h"

namespace rtdetr {
namespace {

/// Index of the card that a name ends with.
std::optional<c10::DeviceIndex> card_index(std::string_view digits) {
  int index = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stopped, fault] = std::from_chars(digits.data(), end, index);
  constexpr int kMostCards = 64;
  if (fault != std::errc() || stopped != end || index < 0 || index >= kMostCards) return std::nullopt;
  return static_cast<c10::DeviceIndex>(index);
}

std::optional<torch::Device> device_called(std::string_view name) {
  constexpr std::string_view kCuda = "cuda", kCard = "cuda:";
  if (name == "cpu") return torch::Device(torch::kCPU);
  if (name == kCuda) return torch::Device(torch::kCUDA);
  if (name.starts_with(kCard)) name.remove_prefix(kCard.size());
  const auto index = card_index(name);
  return index ? std::optional(torch::Device(torch::kCUDA, *index)) : std::nullopt;
}

}  // namespace

torch::Device open_device(const std::string& name) {
  const std::optional<torch::Device> device = device_called(name);
  if (!device) throw ConfigError("there is no device '" + name + "': it is cpu, cuda, or the number of a CUDA device");
  if (device->is_cpu()) return *device;
  load_cuda_plugin();
  const auto cards = static_cast<int>(torch::cuda::device_count());
  if (std::max(0, static_cast<int>(device->index())) >= cards)
    throw ConfigError("there is no device '" + name + "': this machine has " + std::to_string(cards) +
                      " CUDA devices that can be used");
  return *device;
}

void wait_for(torch::Device device) {
  if (device.is_cuda()) torch::cuda::synchronize(device.index());
}

}  // namespace rtdetr
