#include "core/tensor/upload.h"

#include <cstring>

#include <torch/types.h>

namespace rtdetr {
namespace {

/// Bytes of a tensor's place among others: every type can be read at a multiple of 16.
std::int64_t place_of(const torch::Tensor& tensor) {
  constexpr std::int64_t kAlignment = 16;
  return (static_cast<std::int64_t>(tensor.nbytes()) + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

std::vector<torch::Tensor> upload(const std::vector<torch::Tensor>& host, torch::Device device) {
  if (device.is_cpu()) return host;
  const torch::NoGradGuard no_grad;
  std::int64_t bytes = 0;
  for (const torch::Tensor& tensor : host) bytes += place_of(tensor);
  const torch::Tensor packed = torch::empty({bytes}, torch::TensorOptions(torch::kByte).pinned_memory(true));
  auto* place = packed.data_ptr<std::uint8_t>();
  for (const torch::Tensor& tensor : host) {
    const torch::Tensor rows = tensor.contiguous();
    if (rows.nbytes() > 0) std::memcpy(place, rows.const_data_ptr(), rows.nbytes());
    place += place_of(tensor);
  }
  const torch::Tensor there = packed.to(device, torch::kByte, /*non_blocking=*/true);
  std::vector<torch::Tensor> result;
  std::int64_t first = 0;
  for (const torch::Tensor& tensor : host) {
    const auto size = static_cast<std::int64_t>(tensor.nbytes());
    result.push_back(there.narrow(0, first, size).view(tensor.scalar_type()).view(tensor.sizes()));
    first += place_of(tensor);
  }
  return result;
}

torch::Tensor upload(const torch::Tensor& host, torch::Device device) { return upload(std::vector{host}, device)[0]; }

}  // namespace rtdetr
