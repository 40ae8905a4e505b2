// What is not worth a loop of its own runs through the operators that read ONNX files back (models/deploy/onnx).
#include <torch/types.h>

#include "models/deploy/engine/step.h"
#include "models/deploy/onnx/operators.h"

namespace rtdetr {
namespace {

class TorchStep : public EngineStep {
 public:
  TorchStep(EngineOperation operation, const OnnxOperator& op, const std::vector<EngineBuffer>& buffers)
      : EngineStep(std::move(operation)), op_(op) {
    call_.op = node().op;
    call_.name = node().name;
    call_.attributes = node().attributes;
    call_.outputs.resize(operation_.outputs.size());
    for (const EngineView& view : operation_.inputs) input_types_.push_back(type_of(view, buffers));
    for (const EngineView& view : operation_.outputs) output_types_.push_back(type_of(view, buffers));
  }
  void run(const EngineFrame& frame) const override {
    std::vector<Tensor> inputs;
    for (std::size_t k = 0; k < operation_.inputs.size(); ++k)
      inputs.push_back(in(k).buffer < 0 ? Tensor() : frame.tensor(in(k), input_types_[k]));
    const std::vector<Tensor> results = op_.run(OnnxCall(call_, std::move(inputs), torch::kFloat32));
    for (std::size_t k = 0; k < operation_.outputs.size(); ++k)
      frame.tensor(out(k), output_types_[k]).copy_(results[k]);
  }

 private:
  static torch::ScalarType type_of(const EngineView& view, const std::vector<EngineBuffer>& buffers) {
    return view.buffer < 0 ? torch::kFloat
                           : torch_type(buffers[static_cast<std::size_t>(view.buffer)].type, torch::kFloat32);
  }

  const OnnxOperator& op_;
  OnnxNode call_;
  std::vector<torch::ScalarType> input_types_, output_types_;
};

}  // namespace

EngineStepPtr make_torch_step(EngineOperation& operation, const std::vector<EngineBuffer>& buffers) {
  const OnnxOperator* op = find_onnx_operator(operation.node.op);
  const EngineNode& node = operation.node;
  if (!op || node.activation != Activation::kNone || node.residual >= 0 || node.attributes.contains("extra_padding"))
    return nullptr;
  return std::make_unique<TorchStep>(std::move(operation), *op, buffers);
}

}  // namespace rtdetr
