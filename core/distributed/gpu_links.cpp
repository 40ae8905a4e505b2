#include "core/distributed/gpu_links.h"

#include <exception>
#include <stdexcept>
#include <string>
#include <thread>

#include <c10/core/DeviceGuard.h>
#include <torch/types.h>

#include "core/base/check.h"
#include "core/base/text.h"
#include "core/distributed/time_limit.h"
#include "core/ops/cuda_plugin.h"

namespace rtdetr {
namespace {

bool has_failed(c10d::Backend& backend) { return backend.getError() != c10d::ErrorType::SUCCESS; }

void end(c10d::Backend& backend, bool failing) {
  try {
    failing ? backend.abort() : backend.shutdown();
  } catch (const std::exception&) {  // the others are gone; who leaves has nobody to tell
  }
}

/// Returns when it has arrived here; the way of ordinary work, wait(), would leave that to the GPU.
void sum_a_number(c10d::Backend& backend, const GpuLinkOptions& options) {
  constexpr auto kPause = std::chrono::milliseconds(2);
  std::vector<torch::Tensor> list{torch::zeros({1}, options.device)};
  c10d::AllreduceOptions how;
  how.timeout = options.start_timeout;
  const auto work = backend.allreduce(list, how);
  while (!work->isCompleted()) std::this_thread::sleep_for(kPause);
  if (const std::exception_ptr failure = work->exception()) std::rethrow_exception(failure);
  work->wait();
}

}  // namespace

c10::intrusive_ptr<c10d::Backend> connect_gpus(const c10::intrusive_ptr<c10d::Store>& store,
                                               const GpuLinkOptions& options) {
  const CudaPlugin* plugin = cuda_plugin();
  RTDETR_CHECK(plugin != nullptr && plugin->make_nccl_backend != nullptr, "tensors of a GPU without the CUDA plug-in");
  const std::string late = "the GPUs of all ranks were not connected within " +
                           format_short(static_cast<double>(options.start_timeout.count()) / 1e3) + " s";
  return within(options.start_timeout, late, [plugin, store, options] {
    const c10::DeviceGuard guard(options.device);
    auto backend = plugin->make_nccl_backend(store, options.nccl);
    try {
      sum_a_number(*backend, options);
    } catch (...) {
      end(*backend, /*failing=*/true);
      throw;
    }
    return backend;
  });
}

void check_gpus(const std::vector<c10::weak_intrusive_ptr<c10d::Backend>>& backends) {
  for (const auto& weak : backends) {
    const auto backend = weak.lock();
    if (!backend || !has_failed(*backend)) continue;
    const bool silent = backend->getError() == c10d::ErrorType::TIMEOUT;
    throw std::runtime_error(silent ? "the GPU waited too long for another rank's" : "NCCL lost another rank's GPU");
  }
}

void leave_gpus(c10::intrusive_ptr<c10d::Backend> backend) {
  if (backend) end(*backend, std::uncaught_exceptions() > 0 || has_failed(*backend));
}

}  // namespace rtdetr
