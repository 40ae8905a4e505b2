#include "core/ops/nccl_backend.h"

#include <array>
#include <cstdlib>
#include <stdexcept>
#include <utility>

// LibTorch brings the class that speaks to NCCL, c10d::ProcessGroupNCCL, but neither NCCL's header nor those of the
// CUDA libraries that its own headers include; of a set-up without the CUDA half nobody has them. Of NCCL they hold a
// few types by value, of the others pointers alone, so the declarations in nccl_declarations/ are enough. They are on
// the include path of this file only (core/CMakeLists.txt).
#ifndef USE_C10D_NCCL
#define USE_C10D_NCCL
#endif
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

namespace rtdetr {
namespace {

using Nccl = c10d::ProcessGroupNCCL;

/// LibTorch fills the options in with what it was built with.
void check_declarations(const ncclConfig_t& config) {
  const ncclConfig_t declared = NCCL_CONFIG_INITIALIZER;
  if (config.size == declared.size && config.magic == declared.magic && config.version == declared.version) return;
  throw std::runtime_error("this LibTorch was built with NCCL " + std::to_string(config.version) +
                           ", and this program for NCCL " + std::to_string(declared.version));
}

}  // namespace

void keep_nccl_from_aborting() {
  constexpr int kKeepUsers = 0;
  for (const auto& [name, value] : std::array<std::pair<const char*, const char*>, 5>{
           {{"TORCH_NCCL_ASYNC_ERROR_HANDLING", "2"},  // CleanUpOnly: aborts NCCL's kernels, not the process
            {"TORCH_NCCL_ENABLE_MONITORING", "0"},     // nobody watches the watchdog
            {"TORCH_NCCL_RETHROW_CUDA_ERRORS", "0"},   // a fault of the card is told by who computes there
            {"TORCH_NCCL_DUMP_ON_TIMEOUT", "0"},
            {"NCCL_LAUNCH_ORDER_IMPLICIT", "1"}}})  // two communicators at work run in the order of their calls
    ::setenv(name, value, kKeepUsers);
}

c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store,
                                                    const NcclOptions& options) {
  auto settings = Nccl::Options::create();
  check_declarations(settings->config);
  settings->timeout = options.peer_timeout;
  return c10::make_intrusive<Nccl>(store, static_cast<int>(options.rank), static_cast<int>(options.size),
                                   std::move(settings));
}

}  // namespace rtdetr
