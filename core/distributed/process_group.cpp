#include "core/distributed/process_group.h"

#include <cstring>
#include <vector>

#include <torch/types.h>

#include "core/base/check.h"

namespace rtdetr {
namespace {

class WorldOfOne : public ProcessGroup {
 public:
  WorldOfOne() : ProcessGroup(0, 1) {}

 private:
  void do_all_reduce(torch::Tensor, Reduction) override {}
  void do_broadcast(torch::Tensor, std::int64_t) override {}
  void do_barrier() override {}
};

/// The span's memory as a tensor.
template <class Number>
torch::Tensor view_of(std::span<Number> values) {
  return torch::from_blob(values.data(), {static_cast<std::int64_t>(values.size())},
                          c10::CppTypeToScalarType<Number>::value);
}

void check_values(const torch::Tensor& values) {
  RTDETR_CHECK(values.defined() && values.is_contiguous(), "process group: want a contiguous tensor");
}

void check_numbers(const torch::Tensor& values) {
  const bool all = !values.is_floating_point() || !values.isnan().any().item<bool>();
  RTDETR_CHECK(all, "process group: NaN has no maximum or minimum");
}

void check_rank(std::int64_t rank, std::int64_t size) {
  RTDETR_CHECK(rank >= 0 && rank < size,
               "process group: no rank " + std::to_string(rank) + " in a world of " + std::to_string(size));
}

}  // namespace

ProcessGroup::ProcessGroup(std::int64_t rank, std::int64_t size) : rank_(rank), size_(size) { check_rank(rank, size); }

void ProcessGroup::all_reduce(const torch::Tensor& values, Reduction how) {
  check_values(values);
  const bool must_compare = how != Reduction::kSum && (size_ > 1 || values.is_cpu());
  if (must_compare) check_numbers(values);
  if (size_ > 1 && values.numel() > 0) do_all_reduce(values, how);
}

void ProcessGroup::broadcast(const torch::Tensor& values, std::int64_t from) {
  check_values(values);
  check_rank(from, size_);
  if (size_ > 1 && values.numel() > 0) do_broadcast(values, from);
}

void ProcessGroup::all_reduce(std::span<double> values, Reduction how) { all_reduce(view_of(values), how); }
void ProcessGroup::all_reduce(std::span<std::int64_t> values, Reduction how) { all_reduce(view_of(values), how); }
void ProcessGroup::broadcast(std::span<double> values, std::int64_t from) { broadcast(view_of(values), from); }
void ProcessGroup::broadcast(std::span<std::int64_t> values, std::int64_t from) { broadcast(view_of(values), from); }

void ProcessGroup::broadcast(std::string& text, std::int64_t from) {
  auto length = static_cast<std::int64_t>(text.size());
  broadcast(std::span(&length, 1), from);
  text.resize(static_cast<std::size_t>(length));
  std::vector<std::int64_t> words((text.size() + sizeof(std::int64_t) - 1) / sizeof(std::int64_t));
  std::memcpy(words.data(), text.data(), text.size());
  broadcast(words, from);
  std::memcpy(text.data(), words.data(), text.size());
}

std::vector<std::int64_t> ProcessGroup::counts_of_all(std::size_t mine) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(size_));
  counts[static_cast<std::size_t>(rank_)] = static_cast<std::int64_t>(mine);
  all_reduce(counts, Reduction::kSum);
  return counts;
}

void ProcessGroup::connect(torch::Device device) {
  if (size_ > 1) do_connect(device);
}

void ProcessGroup::barrier() {
  if (size_ > 1) do_barrier();
}

ProcessGroup& world_of_one() {
  static WorldOfOne group;
  return group;
}

std::unique_ptr<ProcessGroup> make_world_of_one() { return std::make_unique<WorldOfOne>(); }

}  // namespace rtdetr
