#pragma once

#include <barrier>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

#include <torch/types.h>

#include "core/distributed/process_group.h"

namespace rtdetr::test {

/// A world of several ranks that are threads of this process: each lays its values down, waits for the others, and
/// reduces all of them in the order of ranks.
class ThreadWorld {
 public:
  explicit ThreadWorld(std::int64_t size) : values_(static_cast<std::size_t>(size)), meeting_(size) {}

  /// Runs work(group) as every rank at once. The first rank's exception is thrown here; the others meet without it.
  template <class Work>
  void run(Work&& work) {
    const auto size = static_cast<std::int64_t>(values_.size());
    std::vector<std::exception_ptr> failures(values_.size());
    {
      std::vector<std::jthread> ranks;
      for (std::int64_t rank = 0; rank < size; ++rank) {
        ranks.emplace_back([&, rank] {
          try {
            Member member(*this, rank, size);
            work(static_cast<ProcessGroup&>(member));
          } catch (...) {
            failures[static_cast<std::size_t>(rank)] = std::current_exception();
            meeting_.arrive_and_drop();
          }
        });
      }
    }
    for (const std::exception_ptr& failure : failures) {
      if (failure) std::rethrow_exception(failure);
    }
  }

 private:
  class Member : public ProcessGroup {
   public:
    Member(ThreadWorld& world, std::int64_t rank, std::int64_t size) : ProcessGroup(rank, size), world_(world) {}

   private:
    void do_all_reduce(torch::Tensor values, Reduction how) override {
      world_.values_[static_cast<std::size_t>(rank())] = values.clone();
      world_.meeting_.arrive_and_wait();
      const torch::Tensor all = torch::stack(world_.values_);
      values.copy_(how == Reduction::kSum ? all.sum(0) : how == Reduction::kMax ? all.amax(0) : all.amin(0));
      world_.meeting_.arrive_and_wait();
    }
    void do_broadcast(torch::Tensor values, std::int64_t from) override {
      if (rank() == from) world_.values_[static_cast<std::size_t>(from)] = values.clone();
      world_.meeting_.arrive_and_wait();
      values.copy_(world_.values_[static_cast<std::size_t>(from)]);
      world_.meeting_.arrive_and_wait();
    }
    void do_barrier() override { world_.meeting_.arrive_and_wait(); }

    ThreadWorld& world_;
  };

  std::vector<torch::Tensor> values_;  ///< by rank
  std::barrier<> meeting_;
};

}  // namespace rtdetr::test
