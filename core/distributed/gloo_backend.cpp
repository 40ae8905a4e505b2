#include "core/distributed/gloo_backend.h"

// LibTorch brings Gloo inside libtorch_cpu and the class that speaks to it, c10d::ProcessGroupGloo, but not Gloo's own
// headers, which that class' header includes. It uses their types through pointers alone, so the few declarations in
// gloo_declarations/ are enough: what this file calls of them is in the library, and all sizes and layouts come from
// LibTorch's header. They are on the include path of this file only (core/CMakeLists.txt).
#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO
#endif
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

namespace rtdetr {
namespace {

class GlooBackend : public c10d::ProcessGroupGloo {
 public:
  using ProcessGroupGloo::ProcessGroupGloo;
  void close() {
    for (const auto& context : contexts_) context->closeConnections();
  }
  /// Whether the destructor would wait.
  bool is_busy() {
    const std::lock_guard<std::mutex> lock(workMutex_);
    bool busy = !workQueue_.empty();
    for (const auto& work : workInProgress_) busy = busy || (work && !work->isCompleted());
    return busy;
  }
};

}  // namespace

c10::intrusive_ptr<c10d::Backend> make_gloo_backend(const c10::intrusive_ptr<c10d::Store>& store,
                                                    const GlooOptions& options) {
  auto settings = c10d::ProcessGroupGloo::Options::create(options.start_timeout);
  settings->threads = 1;  // collectives of a group follow each other anyway
  settings->devices.push_back(options.address.empty()
                                  ? c10d::ProcessGroupGloo::createDefaultDevice()
                                  : c10d::ProcessGroupGloo::createDeviceForHostname(options.address));
  auto backend =
      c10::make_intrusive<GlooBackend>(store, static_cast<int>(options.rank), static_cast<int>(options.size), settings);
  backend->setTimeout(options.peer_timeout);
  return backend;
}

void leave_gloo(c10::intrusive_ptr<c10d::Backend> backend) {
  auto gloo = c10::static_intrusive_pointer_cast<GlooBackend>(std::move(backend));
  if (!gloo) return;
  const bool busy = gloo->is_busy();
  gloo->close();
  if (busy) static_cast<void>(gloo.release());
}

}  // namespace rtdetr
