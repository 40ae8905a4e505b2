#include "core/distributed/shared_state.h"

#include <algorithm>
#include <functional>
#include <sstream>

#include <torch/types.h>

#include "core/base/error.h"

namespace rtdetr {
namespace {

std::string description(const NamedTensors::value_type& item) {
  std::ostringstream text;
  text << item.first << " " << item.second.sizes() << " " << item.second.scalar_type();
  return text.str();
}

/// Index of the first entry that is not the same on all ranks; as many as there are on the rank with the fewest, if
/// these are.
std::size_t common_entries(ProcessGroup& group, const NamedTensors& state) {
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

void check_same(ProcessGroup& group, const NamedTensors& state) {
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

torch::ScalarType integer_as_wide_as(const torch::Tensor& values) {
  switch (values.element_size()) {
    case 2:
      return torch::kInt16;
    case 4:
      return torch::kInt32;
    default:
      return torch::kInt64;
  }
}

/// Scalar of int64, where the tensor lies.
torch::Tensor sum_of_bits(const torch::Tensor& tensor) {
  const torch::Tensor values = tensor.detach();
  return (values.is_floating_point() ? values.view(integer_as_wide_as(values)) : values).sum(torch::kInt64);
}

std::vector<std::int64_t> sums_of_bits(const NamedTensors& state) {
  std::vector<torch::Tensor> sums, on_device;
  for (const auto& [name, tensor] : state) {
    sums.push_back(sum_of_bits(tensor));
    if (!tensor.is_cpu()) on_device.push_back(sums.back());
  }
  const torch::Tensor brought = on_device.empty() ? torch::Tensor() : torch::stack(on_device).cpu();
  std::vector<std::int64_t> numbers;
  std::int64_t next = 0;
  for (const torch::Tensor& sum : sums) numbers.push_back((sum.is_cpu() ? sum : brought[next++]).item<std::int64_t>());
  return numbers;
}

/// The value that most ranks have; rank 0's among equals.
std::int64_t common_value(const std::vector<std::vector<std::int64_t>>& by_rank, std::size_t i) {
  const auto holders = [&](std::int64_t value) {
    return std::count_if(by_rank.begin(), by_rank.end(), [&](const auto& of_rank) { return of_rank[i] == value; });
  };
  std::int64_t common = by_rank.front()[i];
  for (const auto& of_rank : by_rank)
    if (holders(of_rank[i]) > holders(common)) common = of_rank[i];
  return common;
}

}  // namespace

void require_same_state(ProcessGroup& group, const NamedTensors& state) {
  if (group.size() == 1) return;
  const auto by_rank = group.all_gather(sums_of_bits(state));
  for (std::size_t i = 0; i < state.size(); ++i) {
    const std::int64_t common = common_value(by_rank, i);
    for (std::size_t rank = 0; rank < by_rank.size(); ++rank) {
      if (by_rank[rank].at(i) == common) continue;
      throw Error(ExitCode::kPeer, "rank " + std::to_string(group.rank()) + " of " + std::to_string(group.size()) +
                                       ": the ranks no longer hold the same numbers: '" + state[i].first +
                                       "' of rank " + std::to_string(rank) +
                                       " is another; nothing of it is saved; if " +
                                       "it comes again, look at that machine's memory, or report it");
    }
  }
}

void share_state(ProcessGroup& group, const NamedTensors& state) {
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
