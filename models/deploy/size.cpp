#include "models/deploy/size.h"

#include <ATen/record_function.h>
#include <torch/nn/module.h>
#include <torch/types.h>

#include <numeric>
#include <string_view>

#include "models/layers/fuse.h"
#include "models/layers/module_tree.h"
#include "models/layers/shape_kernels.h"

/// Operations are counted by watching the matrix products and convolutions of one forward pass of tensors without
/// memory: nothing is computed, and a block need only take its sizes from shapes (models/layers/block.h). Parameters
/// that deployment leaves are said by what it changes (Fusable::deployed_parameters).
namespace rtdetr {

namespace {

/// D-FINE's code folds no BatchNorm of these parts.
Deployment deployment_below(const std::string& part, Deployment deployment) {
  const bool kept = deployment == Deployment::kDfine && (part == "backbone" || part == "input_proj");
  return kept ? Deployment::kOfficial : deployment;
}

std::int64_t count_deployed(const torch::nn::Module& module, Deployment deployment) {
  if (const auto* fusable = dynamic_cast<const Fusable*>(&module)) return fusable->deployed_parameters(deployment);
  std::int64_t total = 0;
  for (const Tensor& parameter : module.parameters(/*recurse=*/false)) total += parameter.numel();
  const auto* container = dynamic_cast<const Container*>(&module);
  if (container) {
    for (const auto& guest : container->guests()) total += count_deployed(*guest, deployment);
  }
  for (const auto& child : module.named_children()) {
    if (container && container->is_of_guest(child.key())) continue;
    total += count_deployed(*child.value(), deployment_below(child.key(), deployment));
  }
  return total;
}

/// What is counted in a thread: its passes' operations, by the part that they are in.
struct OperationCount {
  const PartFollower follower = PartFollower();
  PartNumbers operations{};
};
thread_local OperationCount* current_count = nullptr;

void add_operations(double operations) { current_count->operations[current_count->follower.part()] += operations; }

/// Matrix products by M·K·N. Only the calls that are counted are asked for their inputs: some have none to give.
void count_product(const at::RecordFunction& call) {
  const std::string_view name = call.name();
  const auto input = [&](std::size_t i) { return call.inputs()[i].toTensor(); };
  if (name == "aten::mm" || name == "aten::bmm") {
    add_operations(2.0 * input(0).numel() * input(1).size(-1));
  } else if (name == "aten::addmm" || name == "aten::baddbmm") {
    add_operations(2.0 * input(1).numel() * input(2).size(-1));
  }
}

/// Convolutions by cells of the output times elements of the kernel.
std::unique_ptr<at::ObserverContext> count_call(const at::RecordFunction& call) {
  count_product(call);
  if (std::string_view(call.name()) != "aten::convolution") return nullptr;
  const auto inputs = call.inputs();
  const torch::Tensor input = inputs[0].toTensor(), weight = inputs[1].toTensor();
  const auto stride = inputs[3].toIntVector(), padding = inputs[4].toIntVector(), dilation = inputs[5].toIntVector();
  const auto along = [](const std::vector<std::int64_t>& values, int axis) {  // one value may stand for both axes
    return values.size() == 1 ? values[0] : values[axis];
  };
  double cells = static_cast<double>(input.size(0));
  for (int axis = 0; axis < 2; ++axis) {
    const std::int64_t extent = along(dilation, axis) * (weight.size(2 + axis) - 1) + 1;
    cells *= (input.size(2 + axis) + 2 * along(padding, axis) - extent) / along(stride, axis) + 1;
  }
  add_operations(2 * cells * weight.numel());
  return nullptr;
}

/// Counts while it lives.
struct Watch {
  explicit Watch(OperationCount& into) { current_count = &into; }
  at::CallbackHandle handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback(count_call).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  ~Watch() {
    at::removeCallback(handle);
    current_count = nullptr;
  }
};

}  // namespace

std::int64_t count_deployed_parameters(const DetectionModelImpl& model) {
  return count_deployed(model, model.head().deployment());
}

PartNumbers count_part_gflops(const DetectionModel& model, std::int64_t height, std::int64_t width) {
  register_shape_kernels();
  BuildOptions options;
  options.shapes_only = true;
  DetectionModel shapes = build_model(model->spec(), options);
  if (model->fused()) shapes->fuse();
  shapes->eval();
  MapProbe probe;
  OperationCount counted;
  {
    const c10::InferenceMode inference;
    const Watch watch(counted);
    shapes->forward(torch::empty({1, model->spec().channels, height, width}, torch::kMeta), {.probe = &probe});
  }
  std::int64_t tokens = 0;
  for (const torch::Tensor& map : probe.encoder) tokens += map.size(2) * map.size(3);
  PartNumbers gflops = counted.operations;
  gflops.back() += shapes->head().spared_operations(tokens);
  for (double& part : gflops) part /= 1e9;
  return gflops;
}

double count_gflops(const DetectionModel& model, std::int64_t height, std::int64_t width) {
  const PartNumbers parts = count_part_gflops(model, height, width);
  return std::accumulate(parts.begin(), parts.end(), 0.0);
}

}  // namespace rtdetr
