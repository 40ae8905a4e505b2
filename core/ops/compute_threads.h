#pragma once

#include <ATen/Parallel.h>
#include <omp.h>

namespace rtdetr {

/// OpenMP's number of threads in the calling thread, which is LibTorch's and oneDNN's too, until the end of the scope.
class ComputeThreads {
 public:
  /// @param threads  0 = as it is
  explicit ComputeThreads(int threads) : before_(at::get_num_threads()) {  // asked first: LibTorch sets it on first use
    if (threads > 0) omp_set_num_threads(threads);
  }
  ~ComputeThreads() { omp_set_num_threads(before_); }
  ComputeThreads(const ComputeThreads&) = delete;
  ComputeThreads& operator=(const ComputeThreads&) = delete;

 private:
  int before_;
};

}  // namespace rtdetr
