#include "train/run/host_copy.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <c10/core/DeviceGuard.h>
#include <torch/types.h>

#include "core/ops/streams.h"

namespace rtdetr {
namespace {

torch::Tensor pinned_like(const torch::Tensor& tensor) {
  return torch::empty_like(tensor, tensor.options().device(torch::kCPU).pinned_memory(true));
}

}  // namespace

HostState HostCopy::take(TensorMap state) {
  const auto remote =
      std::find_if(state.begin(), state.end(), [](const auto& entry) { return !entry.second.is_cpu(); });
  if (remote == state.end()) return {std::move(state), {}};
  const torch::Device device = remote->second.device();
  for (auto& [name, tensor] : state) {
    if (tensor.is_cpu()) {
      tensor = tensor.clone();  // a counter, say, that changes while the copies are on their way
      continue;
    }
    torch::Tensor& host = kept_[name];
    if (!host.defined()) host = pinned_like(tensor);
    host.copy_(tensor, /*non_blocking=*/true);
    tensor = host;
  }
  const auto mark = std::make_shared<c10::Event>(mark_behind(current_stream(device)));
  return {std::move(state), [mark, device] {
            const c10::DeviceGuard on(device);  // else another card is the waiting thread's
            mark->synchronize();
          }};
}

}  // namespace rtdetr
