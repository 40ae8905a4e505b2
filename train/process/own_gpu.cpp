#include "train/process/own_gpu.h"

#include <cstdlib>

#include <torch/cuda.h>

#include "core/distributed/rendezvous.h"
#include "core/ops/cuda_plugin.h"

namespace rtdetr {

int own_gpu(const DeviceChoice& choice) {
  load_cuda_plugin();
  const auto world = rendezvous_from([](const char* name) { return std::getenv(name); });
  return gpu_of_process(choice, world ? world->local_rank : 0, static_cast<std::int64_t>(torch::cuda::device_count()));
}

}  // namespace rtdetr
