// Ways between pretended cards: Gloo over the memory that the host sees. As NCCL, they are tried when they are first
// used.
//
// RTDETR_PRETEND_LINKS   broken: the first use is refused as NCCL refuses it; silent: it does not come back
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include <torch/types.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "core/distributed/gloo_backend.h"
#include "tests/support/pretend_card.h"

namespace rtdetr::test {
namespace {

using Tensors = std::vector<torch::Tensor>;

Tensors host_views(const Tensors& tensors) {
  Tensors views;
  for (const torch::Tensor& tensor : tensors) views.push_back(host_view(tensor));
  return views;
}

void fail_as_told() {
  const char* told = std::getenv("RTDETR_PRETEND_LINKS");
  const std::string how = told ? told : "";
  if (how == "silent") std::this_thread::sleep_for(std::chrono::hours(1));
  if (how == "broken")
    TORCH_CHECK_WITH(DistBackendError, false,
                     "NCCL error in: NCCLUtils.cpp:94, unhandled system error, NCCL version 2.28.9\nncclSystemError: "
                     "System call failed.\nLast error:\nsocketPollConnect: returned No route to host");
}

class PretendedLinks : public c10d::Backend {
 public:
  PretendedLinks(const c10::intrusive_ptr<c10d::Store>& store, const NcclOptions& options)
      : Backend(static_cast<int>(options.rank), static_cast<int>(options.size)),
        gloo_(make_gloo_backend(store,
                                {.rank = options.rank, .size = options.size, .peer_timeout = options.peer_timeout})) {}
  ~PretendedLinks() override { shutdown(); }

  const std::string getBackendName() const override { return "nccl"; }
  c10::intrusive_ptr<c10d::Work> allreduce(Tensors& tensors, const c10d::AllreduceOptions& options) override {
    fail_as_told();
    Tensors views = host_views(tensors);
    return gloo_->allreduce(views, options);
  }
  c10::intrusive_ptr<c10d::Work> broadcast(Tensors& tensors, const c10d::BroadcastOptions& options) override {
    fail_as_told();
    Tensors views = host_views(tensors);
    return gloo_->broadcast(views, options);
  }
  c10d::ErrorType getError() override { return c10d::ErrorType::SUCCESS; }
  void abort() override { shutdown(); }
  void shutdown() override {
    if (gloo_) leave_gloo(std::move(gloo_));
    gloo_.reset();
  }

 private:
  c10::intrusive_ptr<c10d::Backend> gloo_;
};

}  // namespace

c10::intrusive_ptr<c10d::Backend> make_pretended_links(const c10::intrusive_ptr<c10d::Store>& store,
                                                       const NcclOptions& options) {
  return c10::make_intrusive<PretendedLinks>(store, options);
}

}  // namespace rtdetr::test
