#pragma once

#include <chrono>
#include <vector>

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "core/ops/nccl_backend.h"

/// NCCL as the CUDA plug-in hands it over: what a group does with it.
namespace rtdetr {

struct GpuLinkOptions {
  NcclOptions nccl;
  c10::Device device{c10::kCUDA, 0};                ///< this rank's GPU
  std::chrono::milliseconds start_timeout{120000};  ///< until all ranks are connected
};

/// Connects to all other ranks' GPUs, which do so at the same time. NCCL does that when it is first used, so a number
/// is summed: a way that does not work is found here.
/// @throws Error           if the plug-in, whose tensors are to be sent, is not loaded
/// @throws std::exception  as make_nccl_backend; what NCCL says, or that the time is up
c10::intrusive_ptr<c10d::Backend> connect_gpus(const c10::intrusive_ptr<c10d::Store>& store,
                                               const GpuLinkOptions& options);

/// A GPU does not throw: it goes on with wrong numbers after a peer has failed. So whoever talks to the other ranks
/// asks first. @throws std::exception
void check_gpus(const std::vector<c10::weak_intrusive_ptr<c10d::Backend>>& backends);

/// Ends a backend of connect_gpus: after all that was sent has arrived, or at once if something has failed.
void leave_gpus(c10::intrusive_ptr<c10d::Backend> backend);

}  // namespace rtdetr
