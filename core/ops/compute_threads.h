#pragma once

#include <ATen/Parallel.h>
#include <omp.h>

namespace rtdetr {

/// OpenMP's number of threads in the calling thread, which is LibTorch's and oneDNN's too, until the end of the scope.
class ComputeThreads {
 public:
  /// @param threads  0 = as it is
  explicit ComputeThreads(int threads) : before_(of_this_thread()) {
    if (threads > 0) omp_set_num_threads(threads);
  }
  ~ComputeThreads() { omp_set_num_threads(before_); }
  ComputeThreads(const ComputeThreads&) = delete;
  ComputeThreads& operator=(const ComputeThreads&) = delete;

 private:
  /// A thread's first parallel loop sets the number that the process has. LibTorch's library remembers that for itself,
  /// and so does whoever compiles the loop into its own code: both are made to do it now.
  static int of_this_thread() {
    at::internal::lazy_init_num_threads();
    return at::get_num_threads();
  }

  int before_;
};

}  // namespace rtdetr
