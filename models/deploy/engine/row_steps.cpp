// What works on rows of tokens one by one: layer norms, sums.
#include <ATen/Parallel.h>
#include <torch/types.h>

#include "models/deploy/engine/kernels.h"
#include "models/deploy/engine/step.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kRowsAtLeast = 64;  // of a thread

class LayerNormStep : public EngineStep {
 public:
  LayerNormStep(EngineOperation operation, Tensor weight, Tensor bias)
      : EngineStep(std::move(operation)),
        weight_(std::move(weight)),
        bias_(std::move(bias)),
        eps_(static_cast<float>(node().number("epsilon"))) {}
  void run(const EngineFrame& frame) const override {
    const float *x = frame.at<float>(in()), *weight = weight_.const_data_ptr<float>(),
                *bias = bias_.const_data_ptr<float>();
    float* to = frame.at<float>(out());
    at::parallel_for(0, in().rows(), kRowsAtLeast, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t row = first; row < last; ++row)
        normalize_row(x + row * in().row_stride(), weight, bias, eps_, to + row * out().row_stride(),
                      in().row_length());
    });
  }

 private:
  Tensor weight_, bias_;
  float eps_;
};

class RmsNormStep : public EngineStep {
 public:
  RmsNormStep(EngineOperation operation, Tensor scale)
      : EngineStep(std::move(operation)),
        scale_(std::move(scale)),
        eps_(static_cast<float>(node().number("epsilon"))) {}
  void run(const EngineFrame& frame) const override {
    const float *x = frame.at<float>(in()), *scale = scale_.const_data_ptr<float>();
    float* to = frame.at<float>(out());
    at::parallel_for(0, in().rows(), kRowsAtLeast, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t row = first; row < last; ++row)
        rms_normalize_row(x + row * in().row_stride(), scale, eps_, to + row * out().row_stride(), in().row_length());
    });
  }

 private:
  Tensor scale_;
  float eps_;
};

/// The second may be a constant of the same rows.
class SumStep : public EngineStep {
 public:
  using EngineStep::EngineStep;
  void run(const EngineFrame& frame) const override {
    const float *a = frame.at<float>(in(0)), *b = frame.at<float>(in(1));
    float* to = frame.at<float>(out());
    at::parallel_for(0, in(0).rows(), kRowsAtLeast, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t row = first; row < last; ++row)
        add_row(a + row * in(0).row_stride(), b + row * in(1).row_stride(), to + row * out().row_stride(),
                in(0).row_length());
    });
  }
};

bool takes_rows(const EngineOperation& operation) {
  return std::ranges::all_of(operation.inputs, [](const EngineView& view) { return view.is_rows(); }) &&
         operation.outputs.front().is_rows();
}

bool same_order(const EngineView& a, const EngineView& b) { return a.shape == b.shape && a.has_rows_like(b); }

}  // namespace

EngineStepPtr make_row_step(EngineOperation& operation, const std::vector<EngineBuffer>& buffers) {
  const std::string& op = operation.node.op;
  const bool layer_norm = op == "LayerNormalization", rms_norm = op == "RmsNormalization";
  if ((!layer_norm && !rms_norm && op != "Add") || !takes_rows(operation)) return nullptr;
  if (!same_order(operation.inputs[0], operation.outputs[0])) return nullptr;
  if (op != "Add" && operation.inputs[0].is_pixels()) return nullptr;  // a norm is over the last axis
  if (op == "Add") {
    if (!same_order(operation.inputs[0], operation.inputs[1])) return nullptr;
    return std::make_unique<SumStep>(std::move(operation));
  }
  const auto constant = [&](std::size_t k) {
    return buffers[static_cast<std::size_t>(operation.inputs[k].buffer)].constant;
  };
  if (!constant(1).defined() || (layer_norm && !constant(2).defined())) return nullptr;
  const Tensor weight = constant(1).contiguous().clone();
  const Tensor bias = layer_norm ? constant(2).contiguous().clone() : Tensor();
  EngineOperation kept = std::move(operation);
  kept.inputs.resize(1);
  if (rms_norm) return std::make_unique<RmsNormStep>(std::move(kept), weight);
  return std::make_unique<LayerNormStep>(std::move(kept), weight, bias);
}

}  // namespace rtdetr
