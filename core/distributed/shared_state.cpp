#include "core/distributed/shared_state.h"

#include <functional>
#include <sstream>

#include <torch/torch.h>

#include "core/base/error.h"

namespace rtdetr {
namespace {

using State = std::vector<std::pair<std::string, torch::Tensor>>;

std::string description(const State::value_type& item) {
  std::ostringstream text;
  text << item.first << " " << item.second.sizes() << " " << item.second.scalar_type();
  return text.str();
}

/// Index of the first entry that is not the same on all ranks; as many as there are on the rank with the fewest, if
/// these are.
std::size_t common_entries(ProcessGroup& group, const State& state) {
  std::int64_t fewest = static_cast<std::int64_t>(state.size());
  group.all_reduce(std::span(&fewest, 1), Reduction::kMin);
  std::vector<std::int64_t> least;
  for (std::int64_t i = 0; i < fewest; ++i)
    least.push_back(
        static_cast<std::int64_t>(std::hash<std::string>()(description(state[static_cast<std::size_t>(i)]))));
  std::vector<std::int64_t> most = least;
  group.all_reduce(std::span(least), Reduction::kMin);
  group.all_reduce(std::span(most), Reduction::kMax);
  std::size_t same = 0;
  while (same < least.size() && least[same] == most[same]) ++same;
  return same;
}

void check_same(ProcessGroup& group, const State& state) {
  const std::size_t same = common_entries(group, state);
  std::int64_t differs = same < state.size() ? 1 : 0;
  group.all_reduce(std::span(&differs, 1), Reduction::kMax);
  if (differs == 0) return;
  throw Error(ExitCode::kPeer, "rank " + std::to_string(group.rank()) + " of " + std::to_string(group.size()) +
                                   ": the ranks have different models: tensor " + std::to_string(same) + " is " +
                                   (same < state.size() ? description(state[same]) : "none") +
                                   " here, and another on another rank; start all with the same program, model and "
                                   "options");
}

}  // namespace

void share_state(ProcessGroup& group, const State& state) {
  if (group.size() == 1) return;
  check_same(group, state);
  const torch::NoGradGuard no_grad;
  for (const auto& [name, tensor] : state) {
    const bool half = tensor.is_floating_point() && tensor.element_size() < 4;
    torch::Tensor values = tensor.detach().to(half ? torch::kFloat32 : tensor.scalar_type()).contiguous().clone();
    group.broadcast(values);
    tensor.detach().copy_(values);
  }
}

}  // namespace rtdetr
