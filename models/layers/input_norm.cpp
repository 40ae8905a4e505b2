#include "models/layers/input_norm.h"

#include <torch/types.h>

#include "core/base/check.h"
#include "models/onnx/onnx_ops.h"

namespace rtdetr {

InputNorm::InputNorm(std::vector<double> mean, std::vector<double> deviation) {
  RTDETR_CHECK(mean.size() == deviation.size(), "a picture's mean and deviation are of as many channels");
  for (std::size_t c = 0; c < mean.size(); ++c) {
    scale_.push_back(1 / deviation[c]);
    shift_.push_back(-mean[c] / deviation[c]);
  }
}

InputNorm::Tables InputNorm::tables(const torch::TensorOptions& options) const {
  const auto column = [&](const std::vector<double>& values) {
    return torch::tensor(values, torch::kFloat64)
        .view({-1, 1, 1})
        .to(options.device(), torch::typeMetaToScalarType(options.dtype()));
  };
  return {column(scale_), column(shift_)};
}

Tensor InputNorm::forward(const Tensor& images) {
  if (empty()) return images;
  const torch::TensorOptions options = images.options().requires_grad(false);
  const Tables known = known_.get(0, options, [&] { return tables(options); });
  return torch::addcmul(known.shift, images, known.scale);
}

OnnxValue InputNorm::emit(OnnxBuilder& graph, const OnnxValue& images) const {
  if (empty()) return images;
  const OnnxBuilder::Scope scope = graph.within("normalize");
  const Tables exact = tables(torch::kFloat64);
  return onnx::add(graph, onnx::mul(graph, images, graph.constant("scale", exact.scale)),
                   graph.constant("shift", exact.shift));
}

}  // namespace rtdetr
