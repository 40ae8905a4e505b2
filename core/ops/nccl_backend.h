#pragma once

#include <chrono>
#include <cstdint>

#include <c10/util/intrusive_ptr.h>

namespace c10d {
class Backend;
class Store;
}  // namespace c10d

namespace rtdetr {

struct NcclOptions {
  std::int64_t rank = 0, size = 1;
  std::chrono::milliseconds peer_timeout{300000};
};

/// LibTorch's transport between the GPUs of a job. It lives in LibTorch's CUDA half, so it is made in the CUDA plug-in
/// (core/ops/cuda_plugin.h). Ranks connect when they send their first tensor, each from a GPU of its own. A rank that
/// is gone or silent for peer_timeout ends what waits for it on the GPU, whose results are worth nothing then;
/// Backend::getError() tells.
/// @throws std::exception  if this process has no GPU, or LibTorch was built with another NCCL than is declared here
using MakeNcclBackend = c10::intrusive_ptr<c10d::Backend> (*)(const c10::intrusive_ptr<c10d::Store>& store,
                                                              const NcclOptions& options);
c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store,
                                                    const NcclOptions& options);

/// LibTorch's own watching over NCCL ends the process with a text of its own when a peer is gone. It is asked, by
/// environment variables where the user has not set them, to end the waiting alone. NCCL is asked to keep the order of
/// calls among several communicators. Before there is another thread.
void keep_nccl_from_aborting();

}  // namespace rtdetr
