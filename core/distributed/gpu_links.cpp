#include "core/distributed/gpu_links.h"

#include <exception>
#include <stdexcept>

#include "core/base/error.h"
#include "core/ops/cuda_plugin.h"

namespace rtdetr {
namespace {

bool has_failed(c10d::Backend& backend) { return backend.getError() != c10d::ErrorType::SUCCESS; }

}  // namespace

c10::intrusive_ptr<c10d::Backend> connect_gpus(const c10::intrusive_ptr<c10d::Store>& store,
                                               const NcclOptions& options) {
  const CudaPlugin* plugin = cuda_plugin();
  RTDETR_CHECK(plugin != nullptr, "tensors of a GPU without the CUDA plug-in");
  return plugin->make_nccl_backend(store, options);
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
  if (!backend) return;
  try {
    const bool failing = std::uncaught_exceptions() > 0 || has_failed(*backend);
    failing ? backend->abort() : backend->shutdown();
  } catch (const std::exception&) {  // the others are gone; who leaves has nobody to tell
  }
}

}  // namespace rtdetr
