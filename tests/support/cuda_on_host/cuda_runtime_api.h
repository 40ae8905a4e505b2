#pragma once

// The idea: a test without a card runs the plug-in's own sources, .cu and .cpp, as plain C++. This folder stands before
// CUDA's headers when they are compiled so; it declares what our kernels use and no more. Blocks run one after another;
// the threads of a block are fibers that change at barriers and shuffles alone, in a fixed order, so every run is the
// same run. The order can be turned round: a barrier that is missing then shows in one order or the other.
#include <math.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static thread_local  // of the block that runs

using cudaStream_t = void*;
enum cudaError_t { cudaSuccess = 0 };
struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
};

inline thread_local uint3 threadIdx, blockIdx;
inline thread_local dim3 blockDim, gridDim;

namespace rtdetr::test {

constexpr unsigned kWarpLanes = 32;

/// For as long as it lives, `last_first` says which thread of a block is tried first.
struct ThreadOrder {
  explicit ThreadOrder(bool last_first) { backwards = last_first; }
  ~ThreadOrder() { backwards = false; }
  static inline thread_local bool backwards = false;
};

/// The block that runs on this thread of the host.
class EmulatedBlock {
 public:
  static EmulatedBlock& current() {
    static thread_local EmulatedBlock block;
    return block;
  }

  /// Runs `kernel` as each of the threads. @throws std::logic_error  if some wait for others that have ended
  void run(unsigned threads, const std::function<void()>& kernel) {
    if (threads % kWarpLanes != 0 || threads > 1024) throw std::logic_error("a block is of whole warps, at most 32");
    kernel_ = &kernel;
    threads_.resize(std::max<std::size_t>(threads_.size(), threads));
    warps_.assign(threads / kWarpLanes, Warp());
    at_barrier_ = 0;
    count_ = threads;
    for (unsigned t = 0; t < threads; ++t) start(threads_[t]);
    while (resume_all()) {
    }
  }

  /// __syncthreads
  void meet() {
    ++threads_[running_].barriers;
    ++at_barrier_;
    pause();
  }

  /// The `from`-th lane's value, when all lanes of the warp are here.
  template <typename T>
  T shuffle(T value, unsigned from) {
    static_assert(sizeof(T) <= kSlot);
    Warp& warp = warps_[running_ / kWarpLanes];
    // Two sets in turn: none is written again before the slowest lane has read it.
    auto& slots = warp.slots[threads_[running_].shuffles++ % 2];
    std::memcpy(&slots[running_ % kWarpLanes], &value, sizeof value);
    ++warp.arrived;
    pause();
    std::memcpy(&value, &slots[from % kWarpLanes], sizeof value);
    return value;
  }

 private:
  static constexpr std::size_t kSlot = 8, kStack = 128 * 1024;
  struct Thread {
    ucontext_t context{};
    std::unique_ptr<std::byte[]> stack;
    std::uint64_t barriers = 0, shuffles = 0;  ///< that it has come to
    bool ended = false;
  };
  struct Warp {
    std::uint64_t arrived = 0;  ///< lanes, at all shuffles so far
    std::array<std::array<std::uint64_t, kWarpLanes>, 2> slots{};
  };

  static void enter() {
    EmulatedBlock& block = current();
    (*block.kernel_)();
    block.threads_[block.running_].ended = true;
  }

  void start(Thread& thread) {
    if (!thread.stack) thread.stack.reset(new std::byte[kStack]);
    thread.barriers = thread.shuffles = 0;
    thread.ended = false;
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.get();
    thread.context.uc_stack.ss_size = kStack;
    thread.context.uc_link = &scheduler_;
    makecontext(&thread.context, enter, 0);
  }

  bool can_go_on(unsigned t) const {
    const Thread& thread = threads_[t];
    return !thread.ended && at_barrier_ >= thread.barriers * count_ &&
           warps_[t / kWarpLanes].arrived >= thread.shuffles * kWarpLanes;
  }

  /// Each thread that can goes on as far as it can. Returns whether any is left.
  bool resume_all() {
    bool moved = false;
    for (unsigned i = 0; i < count_; ++i) {
      running_ = ThreadOrder::backwards ? count_ - 1 - i : i;
      if (!can_go_on(running_)) continue;
      moved = true;
      threadIdx = {running_, 0, 0};
      swapcontext(&scheduler_, &threads_[running_].context);
    }
    const auto ended = [](const Thread& thread) { return thread.ended; };
    if (std::all_of(threads_.begin(), threads_.begin() + count_, ended)) return false;
    if (!moved) throw std::logic_error("threads of a block wait for others that have ended");
    return true;
  }

  void pause() { swapcontext(&threads_[running_].context, &scheduler_); }

  const std::function<void()>* kernel_ = nullptr;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::uint64_t at_barrier_ = 0;  ///< threads, at all barriers so far
  unsigned count_ = 0, running_ = 0;
  ucontext_t scheduler_{};
};

}  // namespace rtdetr::test

/// Runs the whole grid before it returns.
template <typename... Parameters, typename... Given>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...), Given... given) {
  gridDim = config->gridDim;
  blockDim = config->blockDim;
  for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y) {
    for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x)
      rtdetr::test::EmulatedBlock::current().run(blockDim.x, [&] { kernel(given...); });
  }
  return cudaSuccess;
}

inline void __syncthreads() { rtdetr::test::EmulatedBlock::current().meet(); }

template <typename T>
T __shfl_xor_sync(unsigned mask, T value, unsigned lanes) {
  if (mask != 0xffffffffu) throw std::logic_error("only whole warps are emulated");
  return rtdetr::test::EmulatedBlock::current().shuffle(value, threadIdx.x % rtdetr::test::kWarpLanes ^ lanes);
}

template <typename T>
T atomicAdd(T* to, T value) {
  const T before = *to;
  *to += value;
  return before;
}

template <typename T>
T min(T a, T b) {
  return b < a ? b : a;
}
template <typename T>
T max(T a, T b) {
  return a < b ? b : a;
}
