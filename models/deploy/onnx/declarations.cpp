#include "models/deploy/onnx/declarations.h"

#include <torch/types.h>

#include "core/base/error.h"
#include "models/deploy/onnx/operators.h"

namespace rtdetr {

torch::Tensor OnnxDeclarations::input(const OnnxValueInfo& declared, const torch::Tensor& given) {
  const torch::ScalarType type = torch_type(declared.type, floats_);
  const bool floating = given.is_floating_point() && c10::isFloatingType(type);
  const torch::Tensor value = floating ? given.to(type) : given;
  check(declared, value);
  return value;
}

void OnnxDeclarations::check(const OnnxValueInfo& declared, const torch::Tensor& value) {
  const auto rank = static_cast<std::int64_t>(declared.dims.size());
  bool fits = value.scalar_type() == torch_type(declared.type, floats_) && value.dim() == rank;
  for (std::int64_t axis = 0; fits && axis < rank; ++axis) {
    const OnnxDimension& dimension = declared.dims[static_cast<std::size_t>(axis)];
    const auto* name = std::get_if<std::string>(&dimension);
    const std::int64_t size = value.size(axis);
    fits = size == (name ? sizes_.emplace(*name, size).first->second : std::get<std::int64_t>(dimension));
  }
  if (!fits) {
    throw CheckpointError("ONNX value '" + declared.name + "' is " + c10::str(value.scalar_type(), value.sizes()) +
                          ", and the graph says " + text_of(declared));
  }
}

/// "Float[N = 2, 300, 4]"
std::string OnnxDeclarations::text_of(const OnnxValueInfo& declared) const {
  std::string axes;
  for (const OnnxDimension& dimension : declared.dims) {
    const auto* name = std::get_if<std::string>(&dimension);
    const auto known = name ? sizes_.find(*name) : sizes_.end();
    axes += (axes.empty() ? "" : ", ") + (name ? *name : std::to_string(std::get<std::int64_t>(dimension)));
    if (known != sizes_.end()) axes += " = " + std::to_string(known->second);
  }
  return c10::str(torch_type(declared.type, floats_)) + "[" + axes + "]";
}

}  // namespace rtdetr
