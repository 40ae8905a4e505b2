#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <torch/types.h>

namespace rtdetr {

class GradientReducer;

/// How the values of all ranks become one.
enum class Reduction { kSum, kMax, kMin };

/// The processes of one training job, as one of them sees it. Whoever must not decide alone asks here; a run without
/// other processes is a world of one, so that callers know one path only.
///
/// Every call but rank(), size() and is_main() is a collective: each rank makes the same calls in the same order, from
/// one thread, with as many values of the same type. Afterwards all ranks hold the same bits, so that what is decided
/// by them is decided alike. A collective waits for the slowest rank; one that is gone, or silent for longer than the
/// group waits, is an Error with ExitCode::kPeer, thrown on all ranks that are left, after which only leaving is of
/// use.
///
/// Values are changed in place. A maximum and a minimum are of numbers: NaN is refused, for no two libraries agree on
/// it; send "is it finite?" as 0 or 1 instead. A world of one waits for nothing, its device included.
class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;

  std::int64_t rank() const { return rank_; }  ///< 0 … size()-1
  std::int64_t size() const { return size_; }
  /// The one rank that writes files, draws pictures and speaks.
  bool is_main() const { return rank_ == 0; }

  /// Numbers of the host, a handful: what a step decides by, counts to sum, times to compare. One wait for all of them.
  void all_reduce(std::span<double> values, Reduction how);
  void all_reduce(std::span<std::int64_t> values, Reduction how);
  /// @param values  contiguous, float64, float32 or int64, on the CPU or on this process's GPU: what follows there sees
  ///                the result, and this call does not wait for it
  void all_reduce(const torch::Tensor& values, Reduction how);

  /// Everybody gets the values of rank `from`.
  void broadcast(std::span<double> values, std::int64_t from = 0);
  void broadcast(std::span<std::int64_t> values, std::int64_t from = 0);
  void broadcast(const torch::Tensor& values, std::int64_t from = 0);
  void broadcast(std::string& text, std::int64_t from = 0);  ///< of any length

  /// Everybody's records, by rank; each rank has as many as it has. For what is large and seldom: each rank is waited
  /// for on its own.
  template <class Record>
  std::vector<std::vector<Record>> all_gather(const std::vector<Record>& mine);

  /// Connects what tensors and gradients on this device will go over, which else is done when the first are sent: a way
  /// between the ranks that does not work is found now, within the time that they have for meeting. A collective.
  void connect(torch::Device device);

  /// Returns when all ranks have come here.
  void barrier();

  /// Gradients averaged over the ranks (gradient_reducer.h), in a world of one left as they are. A collective.
  /// @param parameters  all require gradients; the same on all ranks, in the same order: the model's
  /// @return            to be destroyed before the group
  std::unique_ptr<GradientReducer> make_reducer(std::vector<torch::Tensor> parameters);

 protected:
  /// @throws InternalError  unless 0 <= rank < size
  ProcessGroup(std::int64_t rank, std::int64_t size);

 private:
  std::vector<std::int64_t> counts_of_all(std::size_t mine);

  // What a transport does; asked only if there is another rank. Tensors are contiguous and not empty, `from` is a rank.
  virtual void do_all_reduce(torch::Tensor values, Reduction how) = 0;
  virtual void do_broadcast(torch::Tensor values, std::int64_t from) = 0;
  virtual void do_barrier() = 0;
  virtual void do_connect(torch::Device /*device*/) {}
  // By default everything is sent after the backward pass.
  virtual std::unique_ptr<GradientReducer> do_make_reducer(std::vector<torch::Tensor> parameters);

  std::int64_t rank_, size_;
};

template <class Record>
std::vector<std::vector<Record>> ProcessGroup::all_gather(const std::vector<Record>& mine) {
  constexpr std::size_t kWord = sizeof(std::int64_t);
  static_assert(std::is_trivially_copyable_v<Record> && alignof(Record) % kWord == 0, "not made of whole words");
  std::vector<std::vector<Record>> all;
  for (const std::int64_t count : counts_of_all(mine.size())) {
    const auto from = static_cast<std::int64_t>(all.size());
    std::vector<Record>& records = all.emplace_back(from == rank_ ? mine : std::vector<Record>(count));
    broadcast(std::span(reinterpret_cast<std::int64_t*>(records.data()), records.size() * sizeof(Record) / kWord),
              from);
  }
  return all;
}

/// The group of a run without other processes: rank 0 of 1, nothing to wait for.
ProcessGroup& world_of_one();
/// The same as one's own.
std::unique_ptr<ProcessGroup> make_world_of_one();

}  // namespace rtdetr
