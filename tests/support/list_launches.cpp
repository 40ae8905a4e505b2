#include "tests/support/list_launches.h"

#include <algorithm>
#include <array>

namespace rtdetr::test {

std::size_t list_launches(const std::vector<torch::Tensor>& tensors, std::size_t lists) {
  constexpr std::array<std::size_t, 5> kTensors{110, 64, 48, 36, 30};
  constexpr std::int64_t kPiece = 65536;
  constexpr std::size_t kPieces = 320;
  const std::size_t most = kTensors.at(std::clamp<std::size_t>(lists, 1, kTensors.size()) - 1);
  std::size_t launches = 0, held = 0, pieces = 0;  // of the launch that is being filled
  for (const torch::Tensor& tensor : tensors) {
    if (tensor.numel() == 0) continue;
    ++held;
    for (std::int64_t left = tensor.numel(); left > 0; left -= kPiece) {
      const bool last = left <= kPiece;
      if (++pieces < kPieces && !(last && held == most)) continue;
      ++launches;
      pieces = 0;
      held = last ? 0 : 1;
    }
  }
  return launches + (pieces > 0 ? 1 : 0);
}

}  // namespace rtdetr::test
