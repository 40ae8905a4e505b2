#include "core/distributed/c10d_reducer.h"

#include <torch/autograd.h>
#include <torch/types.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <algorithm>
#include <utility>

#include "core/distributed/gloo_backend.h"
#include "core/distributed/gpu_links.h"
#include "core/distributed/peer_failure.h"

namespace rtdetr {
namespace {

constexpr std::size_t kFirstBucket = std::size_t{1} << 20;  // of the parameters whose gradients come first: bytes
constexpr std::size_t kBucket = std::size_t{25} << 20;

/// LibTorch warns once if it looked for parameters without a gradient and found none, which is as it should be.
class NoWarnings : public c10::WarningHandler {
  void process(const c10::Warning&) override {}
};

c10::intrusive_ptr<c10d::ProcessGroup> group_over(const Rendezvous& me, const c10::intrusive_ptr<c10d::Store>& store,
                                                  const c10::intrusive_ptr<c10d::Backend>& backend,
                                                  c10::DeviceType device) {
  auto group = c10::make_intrusive<c10d::ProcessGroup>(store, static_cast<int>(me.rank), static_cast<int>(me.size));
  const auto type =
      device == torch::kCPU ? c10d::ProcessGroup::BackendType::GLOO : c10d::ProcessGroup::BackendType::NCCL;
  group->setBackend(device, type, backend);
  group->setDefaultBackend(type);
  return group;
}

std::unique_ptr<c10d::Reducer> reducer_of(const std::vector<torch::Tensor>& parameters,
                                          const c10::intrusive_ptr<c10d::ProcessGroup>& group) {
  const std::vector<bool> sparse(parameters.size(), false);
  auto buckets = std::get<0>(c10d::compute_bucket_assignment_by_size(parameters, {kFirstBucket, kBucket}, sparse));
  std::reverse(buckets.begin(), buckets.end());  // a model's last parameters have their gradients first
  return std::make_unique<c10d::Reducer>(parameters, std::move(buckets), group, sparse, kBucket,
                                         /*find_unused_parameters=*/true, /*gradient_as_bucket_view=*/false,
                                         std::unordered_map<std::size_t, std::string>(), kFirstBucket,
                                         /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false,
                                         std::vector<std::int64_t>());
}

/// The loss, with an edge to every parameter that brings no gradient. So the backward pass comes by each of them on
/// each rank, whatever the loss was made of: none waits for another that never comes.
class ReachAll : public torch::autograd::Function<ReachAll> {
 public:
  static torch::Tensor forward(torch::autograd::AutogradContext* ctx, const torch::Tensor& loss,
                               at::TensorList parameters) {
    ctx->saved_data["parameters"] = static_cast<std::int64_t>(parameters.size());
    return loss.clone();
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    grads.resize(1 + static_cast<std::size_t>(ctx->saved_data["parameters"].toInt()));
    return grads;
  }
};

class C10dReducer : public GradientReducer {
 public:
  C10dReducer(const Rendezvous& me, const c10::intrusive_ptr<c10d::Store>& store,
              c10::intrusive_ptr<c10d::Backend> backend, const std::vector<torch::Tensor>& parameters)
      : me_(me),
        parameters_(parameters),
        backend_(std::move(backend)),
        group_(group_over(me, store, backend_, parameters.front().device().type())),
        reducer_(reducer_of(parameters, group_)) {}
  ~C10dReducer() override {
    reducer_.reset();
    group_.reset();
    parameters_.front().is_cpu() ? leave_gloo(std::move(backend_)) : leave_gpus(std::move(backend_));
  }

  void backward(const torch::Tensor& loss) override {
    try {
      const torch::Tensor reaching = ReachAll::apply(loss, at::TensorList(parameters_));
      prepare(reaching);
      reaching.backward();
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      if (comes_from_transport(error)) throw_peer_failure(me_, "averaging the gradients", error);
      throw;
    }
  }

 private:
  void prepare(const torch::Tensor& loss) {
    NoWarnings none;
    const c10::WarningUtils::WarningHandlerGuard quiet(&none);
    reducer_->prepare_for_backward({loss});
  }

  Rendezvous me_;
  std::vector<torch::Tensor> parameters_;
  c10::intrusive_ptr<c10d::Backend> backend_;
  c10::intrusive_ptr<c10d::ProcessGroup> group_;
  std::unique_ptr<c10d::Reducer> reducer_;
};

}  // namespace

std::unique_ptr<GradientReducer> make_c10d_reducer(const Rendezvous& me, const c10::intrusive_ptr<c10d::Store>& store,
                                                   c10::intrusive_ptr<c10d::Backend> backend,
                                                   std::vector<torch::Tensor> parameters) {
  return std::make_unique<C10dReducer>(me, store, std::move(backend), parameters);
}

}  // namespace rtdetr
