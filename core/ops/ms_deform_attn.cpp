#include "core/ops/ms_deform_attn.h"

#include <map>
#include <numeric>

#include <torch/autograd.h>
#include <torch/types.h>

#include "core/base/check.h"
#include "core/base/error.h"
#include "core/ops/cuda_plugin.h"
#include "core/ops/ms_deform_attn_kernels.h"
#include "core/tensor/check.h"

namespace rtdetr {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// For tensors without memory, whose shapes are all there is.
MsDeformAttnKernels shape_kernels() {
  MsDeformAttnKernels none;
  none.forward = [](const MsDeformAttnShape&, const Tensor&, const Tensor&, const Tensor&, Tensor&) {};
  none.loads_halves = true;
  none.backward = [](const MsDeformAttnShape&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, Tensor&,
                     Tensor&, Tensor&) {};
  return none;
}

std::map<torch::DeviceType, MsDeformAttnKernels>& other_kernels() {
  static std::map<torch::DeviceType, MsDeformAttnKernels> kernels;
  return kernels;
}

MsDeformAttnKernels kernels_for(const torch::Device& device) {
  if (device.is_meta()) return shape_kernels();
  if (device.is_cpu()) return ms_deform_attn_cpu_kernels();
  if (device.is_cuda() && cuda_plugin() != nullptr) return cuda_plugin()->ms_deform_attn;
  if (const auto found = other_kernels().find(device.type()); found != other_kernels().end()) return found->second;
  throw Error(ExitCode::kUsage, "deformable attention has no kernel for device '" + device.str() +
                                    "': librtdetr_cuda.so was not loaded; use device=cpu or build with RTDETR_CUDA=ON");
}

MsDeformAttnShape make_shape(const Tensor& value, const std::vector<LevelShape>& levels,
                             const std::vector<std::int64_t>& points, const Tensor& locations, const Tensor& weights,
                             SamplingMethod method) {
  RTDETR_CHECK(value.dim() == 4 && locations.dim() == 5, "value must be [B, S, M, D], locations [B, Q, M, P, 2]");
  RTDETR_CHECK(!levels.empty() && levels.size() <= kMaxLevels && levels.size() == points.size(),
               "levels: want 1 to " + std::to_string(kMaxLevels) + " with points for each, have " +
                   std::to_string(levels.size()) + " and " + std::to_string(points.size()));
  MsDeformAttnShape shape;
  shape.batch = value.size(0), shape.tokens = value.size(1), shape.heads = value.size(2),
  shape.channels = value.size(3);
  shape.queries = locations.size(1);
  shape.levels = static_cast<int>(levels.size());
  shape.method = method;
  std::int64_t tokens = 0, total_points = 0;
  for (int l = 0; l < shape.levels; ++l) {
    RTDETR_CHECK(levels[l].height > 0 && levels[l].width > 0 && points[l] >= 0, "levels and points must be positive");
    shape.height[l] = static_cast<std::int32_t>(levels[l].height);
    shape.width[l] = static_cast<std::int32_t>(levels[l].width);
    shape.first_token[l] = static_cast<std::int32_t>(tokens);
    shape.first_point[l] = static_cast<std::int32_t>(total_points);
    tokens += levels[l].height * levels[l].width;
    total_points += points[l];
  }
  shape.points = shape.first_point[shape.levels] = static_cast<std::int32_t>(total_points);
  RTDETR_CHECK(tokens == shape.tokens,
               "value has " + std::to_string(shape.tokens) + " tokens, the levels " + std::to_string(tokens));
  check_shape(locations, {shape.batch, shape.queries, shape.heads, shape.points, 2}, "locations");
  check_shape(weights, {shape.batch, shape.queries, shape.heads, shape.points}, "weights");
  return shape;
}

/// The type of sums over a value of this type, and of locations and weights.
torch::ScalarType sum_type(const Tensor& value) {
  return value.scalar_type() == torch::kDouble ? torch::kDouble : torch::kFloat;
}

/// The three inputs are contiguous here, and of the types that the kernels take.
class MsDeformAttnFunction : public torch::autograd::Function<MsDeformAttnFunction> {
 public:
  static Tensor forward(AutogradContext* ctx, const Tensor& value, const Tensor& locations, const Tensor& weights,
                        const MsDeformAttnShape& shape) {
    ctx->save_for_backward({value, locations, weights});
    ctx->saved_data["shape"] =
        std::string(reinterpret_cast<const char*>(&shape), sizeof(shape));  // plain data: the cheapest way to keep it
    Tensor output = torch::empty({shape.batch, shape.queries, shape.heads * shape.channels}, value.options());
    kernels_for(value.device()).forward(shape, value, locations, weights, output);
    return output;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grad_outputs) {
    RTDETR_CHECK(!torch::GradMode::is_enabled(),
                 "deformable attention's gradient is not differentiable (create_graph)");
    const auto saved = ctx->get_saved_variables();
    MsDeformAttnShape shape;
    std::memcpy(&shape, ctx->saved_data["shape"].toStringRef().data(), sizeof(shape));
    Tensor grad_value = torch::zeros_like(saved[0], sum_type(saved[0])), grad_weights = torch::empty_like(saved[2]);
    Tensor grad_locations = shape.method == SamplingMethod::kBilinear ? torch::empty_like(saved[1]) : Tensor();
    kernels_for(saved[0].device())
        .backward(shape, saved[0], saved[1], saved[2], grad_outputs[0].contiguous(), grad_value, grad_locations,
                  grad_weights);
    return {grad_value.to(saved[0].scalar_type()), grad_locations, grad_weights, Tensor()};
  }
};

}  // namespace

void set_ms_deform_attn_kernels(torch::DeviceType type, const MsDeformAttnKernels& kernels) {
  other_kernels()[type] = kernels;
}

torch::Tensor ms_deform_attn(const Tensor& value, const std::vector<LevelShape>& levels,
                             const std::vector<std::int64_t>& points, const Tensor& locations, const Tensor& weights,
                             SamplingMethod method) {
  const MsDeformAttnShape shape = make_shape(value, levels, points, locations, weights, method);
  const torch::ScalarType type = sum_type(value);
  const Tensor l = locations.to(type).contiguous(), w = weights.to(type).contiguous();
  const Tensor v = (kernels_for(value.device()).loads_halves ? value : value.to(type)).contiguous();
  return MsDeformAttnFunction::apply(v, l, w, shape).to(value.scalar_type());
}

}  // namespace rtdetr
