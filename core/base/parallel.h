#pragma once

#include "core/base/cpp20.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace rtdetr {

/// Calls work(worker, i) once for every i in [0, count), on `threads` threads (1 = the caller's own), in no fixed
/// order; `worker` numbers the thread. The first exception stops the rest and is thrown here.
template <class Work>
void parallel_for(std::size_t count, int threads, Work&& work) {
  const int workers = static_cast<int>(std::min<std::size_t>(static_cast<std::size_t>(std::max(threads, 1)), count));
  if (workers <= 1) {
    for (std::size_t i = 0; i < count; ++i) work(0, i);
    return;
  }
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto run = [&](int worker) {
    try {
      for (std::size_t i; (i = next.fetch_add(1)) < count;) work(worker, i);
    } catch (...) {
      next.store(count);
      const std::lock_guard lock(failure_mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> pool;
    try {
      for (int worker = 1; worker < workers; ++worker) pool.emplace_back(run, worker);
    } catch (const std::system_error&) {  // the system gives no more threads: those that there are do
    }
    run(0);
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace rtdetr
