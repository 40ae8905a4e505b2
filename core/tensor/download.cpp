#include "core/tensor/download.h"

#include <algorithm>
#include <cstdint>

#include <torch/types.h>

namespace rtdetr {
namespace {

/// Positions of those that have to be brought, the widest numbers first: so each can be read where it then stands.
std::vector<std::size_t> order_of(const std::vector<torch::Tensor>& there) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < there.size(); ++i) {
    if (!there[i].is_cpu()) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return there[a].element_size() > there[b].element_size(); });
  return order;
}

}  // namespace

std::vector<torch::Tensor> download(const std::vector<torch::Tensor>& there) {
  const torch::NoGradGuard no_grad;
  const std::vector<std::size_t> order = order_of(there);
  if (order.empty()) return there;
  std::vector<torch::Tensor> bytes;
  for (const std::size_t i : order) bytes.push_back(there[i].detach().contiguous().view({-1}).view(torch::kByte));
  const torch::Tensor here = torch::cat(bytes).cpu();
  std::vector<torch::Tensor> result = there;
  std::int64_t first = 0;
  for (const std::size_t i : order) {
    const auto size = static_cast<std::int64_t>(there[i].nbytes());
    result[i] = here.narrow(0, first, size).view(there[i].scalar_type()).view(there[i].sizes());
    first += size;
  }
  return result;
}

std::vector<Detections> download(const std::vector<Detections>& there) {
  std::vector<torch::Tensor> parts;
  for (const Detections& found : there) parts.insert(parts.end(), {found.boxes_xyxy, found.scores, found.labels});
  const std::vector<torch::Tensor> here = download(parts);
  std::vector<Detections> result;
  for (std::size_t i = 0; i < here.size(); i += 3) result.push_back(Detections{here[i], here[i + 1], here[i + 2]});
  return result;
}

}  // namespace rtdetr
