#include "core/distributed/gradient_reducer.h"

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <torch/types.h>

#include "core/distributed/process_group.h"

namespace rtdetr {
namespace {

/// Of a process alone.
class OwnGradients : public GradientReducer {
 public:
  void backward(const torch::Tensor& loss) override { loss.backward(); }
};

/// Sends everything after the pass: for a group whose transport has nothing better.
class LateReducer : public GradientReducer {
 public:
  LateReducer(ProcessGroup& group, std::vector<torch::Tensor> parameters)
      : group_(group), parameters_(std::move(parameters)) {}
  void backward(const torch::Tensor& loss) override {
    loss.backward();
    average();
  }

 private:
  void average() {
    const torch::NoGradGuard no_grad;
    std::vector<std::int64_t> used;
    for (const torch::Tensor& parameter : parameters_) used.push_back(parameter.grad().defined() ? 1 : 0);
    group_.all_reduce(std::span(used), Reduction::kMax);
    std::map<torch::ScalarType, std::vector<torch::Tensor>> gradients;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      torch::Tensor& gradient = parameters_[i].mutable_grad();
      if (used[i] == 0) continue;
      if (!gradient.defined()) gradient = torch::zeros_like(parameters_[i]);
      gradients[gradient.scalar_type()].push_back(gradient);
    }
    for (const auto& [type, list] : gradients) average(list);
  }
  void average(const std::vector<torch::Tensor>& gradients) {
    std::vector<torch::Tensor> flat;
    std::vector<std::int64_t> sizes;
    for (const torch::Tensor& gradient : gradients) {
      flat.push_back(gradient.reshape({-1}) / static_cast<double>(group_.size()));
      sizes.push_back(gradient.numel());
    }
    const torch::Tensor all = torch::cat(flat);
    group_.all_reduce(all, Reduction::kSum);
    const std::vector<torch::Tensor> parts = all.split_with_sizes(sizes);
    for (std::size_t i = 0; i < gradients.size(); ++i) gradients[i].copy_(parts[i].view(gradients[i].sizes()));
  }

  ProcessGroup& group_;
  std::vector<torch::Tensor> parameters_;
};

}  // namespace

std::unique_ptr<GradientReducer> ProcessGroup::make_reducer(std::vector<torch::Tensor> parameters) {
  if (size_ == 1 || parameters.empty()) return std::make_unique<OwnGradients>();
  return do_make_reducer(std::move(parameters));
}

std::unique_ptr<GradientReducer> ProcessGroup::do_make_reducer(std::vector<torch::Tensor> parameters) {
  return std::make_unique<LateReducer>(*this, std::move(parameters));
}

}  // namespace rtdetr
