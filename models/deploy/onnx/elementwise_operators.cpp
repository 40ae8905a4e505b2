// Value by value: arithmetic, functions, comparisons, types.
#include <torch/types.h>

#include "models/deploy/onnx/operators.h"

namespace rtdetr {
namespace {

using torch::Tensor;
using Values = std::vector<Tensor>;

template <typename Combine>
Values fold_inputs(const OnnxCall& call, const Combine& combine) {
  call.check_one_type();
  Tensor result = call.input(0);
  for (std::size_t i = 1; i < call.count(); ++i) result = combine(result, call.input(i));
  return {result};
}

Values onnx_add(const OnnxCall& call) {
  return fold_inputs(call, [](const Tensor& a, const Tensor& b) { return a + b; });
}
Values onnx_sub(const OnnxCall& call) {
  return fold_inputs(call, [](const Tensor& a, const Tensor& b) { return a - b; });
}
Values onnx_mul(const OnnxCall& call) {
  return fold_inputs(call, [](const Tensor& a, const Tensor& b) { return a * b; });
}
/// Integers are cut towards zero.
Values onnx_div(const OnnxCall& call) {
  return fold_inputs(
      call, [](const Tensor& a, const Tensor& b) { return a.is_floating_point() ? a.div(b) : a.div(b, "trunc"); });
}
Values onnx_min(const OnnxCall& call) {
  return fold_inputs(call, [](const Tensor& a, const Tensor& b) { return torch::minimum(a, b); });
}
Values onnx_max(const OnnxCall& call) {
  return fold_inputs(call, [](const Tensor& a, const Tensor& b) { return torch::maximum(a, b); });
}
Values onnx_equal(const OnnxCall& call) {
  return fold_inputs(call, [](const Tensor& a, const Tensor& b) { return a.eq(b); });
}
Values onnx_greater(const OnnxCall& call) {
  return fold_inputs(call, [](const Tensor& a, const Tensor& b) { return a.gt(b); });
}
Values onnx_less(const OnnxCall& call) {
  return fold_inputs(call, [](const Tensor& a, const Tensor& b) { return a.lt(b); });
}

/// The upper bound wins where the bounds cross.
Values onnx_clip(const OnnxCall& call) {
  call.check_one_type();
  Tensor x = call.input(0);
  for (const std::size_t bound : {1, 2}) {
    if (!call.has(bound)) continue;
    call.check(call.input(bound).numel() == 1, "bounds must be single values");
    const Tensor limit = call.input(bound).reshape({});
    x = bound == 1 ? torch::maximum(x, limit) : torch::minimum(x, limit);
  }
  return {x};
}

Values onnx_identity(const OnnxCall& call) { return {call.input(0)}; }
Values onnx_floor(const OnnxCall& call) { return {call.floating(0).floor()}; }
Values onnx_cos(const OnnxCall& call) { return {call.floating(0).cos()}; }
Values onnx_sin(const OnnxCall& call) { return {call.floating(0).sin()}; }
Values onnx_log(const OnnxCall& call) { return {call.floating(0).log()}; }
Values onnx_sqrt(const OnnxCall& call) { return {call.floating(0).sqrt()}; }
Values onnx_erf(const OnnxCall& call) { return {call.floating(0).erf()}; }
Values onnx_sigmoid(const OnnxCall& call) { return {call.floating(0).sigmoid()}; }
Values onnx_relu(const OnnxCall& call) { return {call.input(0).relu()}; }
Values onnx_leaky_relu(const OnnxCall& call) {
  return {torch::leaky_relu(call.floating(0), call.number("alpha", 0.01))};
}
/// x · max(0, min(1, x / 6 + 1/2))
Values onnx_hard_swish(const OnnxCall& call) {
  const Tensor& x = call.floating(0);
  return {x * (x / 6 + 0.5).clamp(0, 1)};
}

/// Floats are cut towards zero.
Values onnx_cast(const OnnxCall& call) { return {call.input(0).to(call.type_of(call.required_integer("to")))}; }

}  // namespace

const std::vector<OnnxOperator>& elementwise_operators() {
  static const std::vector<OnnxOperator> kTable = {
      {"Add", 2, 2, {}, onnx_add},           {"Cast", 1, 1, {"to"}, onnx_cast},
      {"Clip", 1, 3, {}, onnx_clip},         {"Cos", 1, 1, {}, onnx_cos},
      {"Div", 2, 2, {}, onnx_div},           {"Equal", 2, 2, {}, onnx_equal},
      {"Erf", 1, 1, {}, onnx_erf},           {"Floor", 1, 1, {}, onnx_floor},
      {"Greater", 2, 2, {}, onnx_greater},   {"HardSwish", 1, 1, {}, onnx_hard_swish},
      {"Identity", 1, 1, {}, onnx_identity}, {"LeakyRelu", 1, 1, {"alpha"}, onnx_leaky_relu},
      {"Less", 2, 2, {}, onnx_less},         {"Log", 1, 1, {}, onnx_log},
      {"Max", 1, kAnyNumber, {}, onnx_max},  {"Min", 1, kAnyNumber, {}, onnx_min},
      {"Mul", 2, 2, {}, onnx_mul},           {"Relu", 1, 1, {}, onnx_relu},
      {"Sigmoid", 1, 1, {}, onnx_sigmoid},   {"Sin", 1, 1, {}, onnx_sin},
      {"Sqrt", 1, 1, {}, onnx_sqrt},         {"Sub", 2, 2, {}, onnx_sub},
  };
  return kTable;
}

}  // namespace rtdetr
