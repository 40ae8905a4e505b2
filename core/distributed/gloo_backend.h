#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace rtdetr {

struct GlooOptions {
  std::int64_t rank = 0, size = 1;
  std::string address = "127.0.0.1";  ///< of this machine, where the other ranks reach it; "" = its host name's
  std::chrono::milliseconds start_timeout{120000};
  std::chrono::milliseconds peer_timeout{300000};
};

/// LibTorch's transport between the CPUs of a job: connects to all other ranks, which do so at the same time. The one
/// place that knows Gloo.
/// @throws std::exception  what LibTorch says if a rank cannot be reached in time
c10::intrusive_ptr<c10d::Backend> make_gloo_backend(const c10::intrusive_ptr<c10d::Store>& store,
                                                    const GlooOptions& options);

/// Ends a backend of make_gloo_backend without waiting. The other ranks see its connections close. Work that still
/// waits for a silent rank cannot be woken: it is left behind with its thread until its time is up.
void leave_gloo(c10::intrusive_ptr<c10d::Backend> backend);

}  // namespace rtdetr
