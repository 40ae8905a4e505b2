#include "models/deploy/onnx/evaluator.h"

#include <torch/types.h>

#include <algorithm>
#include <set>

#include "core/base/error.h"
#include "models/deploy/onnx/declarations.h"
#include "models/deploy/onnx/operators.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kOperatorSet = 17;

torch::Tensor constant_value(const OnnxTensor& tensor, const OnnxEvaluation& options) {
  const torch::Tensor stored = torch::empty(tensor.dims, torch_type(tensor.type, torch::kFloat32));
  if (stored.nbytes() != tensor.data.size())
    throw CheckpointError("ONNX constant '" + tensor.name + "' has " + std::to_string(tensor.data.size()) +
                          " bytes where its shape has " + std::to_string(stored.nbytes()));
  std::copy(tensor.data.begin(), tensor.data.end(), static_cast<std::byte*>(stored.mutable_data_ptr()));
  return stored.to(options.device, torch_type(tensor.type, options.floats));
}

[[noreturn]] void refuse_node(const OnnxNode& node, const std::string& why) {
  throw CheckpointError("ONNX node '" + node.name + "' (" + node.op + "): " + why);
}

void check_known(const OnnxNode& node) {
  const OnnxOperator* op = find_onnx_operator(node.op);
  if (!op) refuse_node(node, "the operator is not known");
  if (node.inputs.size() < op->least || node.inputs.size() > op->most)
    refuse_node(node, "does not take " + std::to_string(node.inputs.size()) + " inputs");
  for (const auto& attribute : node.attributes) {
    const std::string& name = attribute.first;
    const bool known = std::any_of(op->attributes.begin(), op->attributes.end(),
                                   [&](const char* known_name) { return name == known_name; });
    if (!known) refuse_node(node, "the attribute " + name + " is not known");
  }
}

/// For each node the values that nobody reads after it.
std::vector<std::vector<std::string>> last_reads(const OnnxGraph& graph, const std::set<std::string>& kept) {
  std::map<std::string, std::size_t> last;
  for (std::size_t k = 0; k < graph.nodes.size(); ++k) {
    for (const auto* names : {&graph.nodes[k].outputs, &graph.nodes[k].inputs})
      for (const std::string& name : *names) last[name] = k;
  }
  std::vector<std::vector<std::string>> dropped(graph.nodes.size());
  for (const auto& [name, node] : last) {
    if (!kept.contains(name)) dropped[node].push_back(name);
  }
  return dropped;
}

void run_node(const OnnxNode& node, torch::ScalarType floats, const OnnxValues& constants, OnnxValues& values) {
  std::vector<torch::Tensor> inputs;
  for (const std::string& name : node.inputs) {
    const auto constant = constants.find(name);
    inputs.push_back(name.empty() ? torch::Tensor() : constant != constants.end() ? constant->second : values.at(name));
  }
  std::vector<torch::Tensor> results;
  try {
    results = find_onnx_operator(node.op)->run(OnnxCall(node, std::move(inputs), floats));
  } catch (const c10::Error& fault) {
    refuse_node(node, fault.what_without_backtrace());
  }
  if (node.outputs.size() > results.size()) refuse_node(node, "has more outputs than the operator gives");
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    if (!node.outputs[i].empty()) values[node.outputs[i]] = results[i];
  }
}

}  // namespace

OnnxEvaluator::OnnxEvaluator(const OnnxModel& model, const OnnxEvaluation& options) : options_(options) {
  if (model.opset != kOperatorSet)
    throw CheckpointError("the ONNX model is of operator set " + std::to_string(model.opset) + "; " +
                          std::to_string(kOperatorSet) + " is known");
  for (const OnnxTensor& tensor : model.graph.initializers) constants_[tensor.name] = constant_value(tensor, options_);
  graph_.nodes = model.graph.nodes;
  graph_.inputs = model.graph.inputs;
  graph_.outputs = model.graph.outputs;
  check_nodes();
}

void OnnxEvaluator::check_nodes() const {
  std::set<std::string> there;
  for (const auto& [name, value] : constants_) there.insert(name);
  for (const OnnxValueInfo& input : graph_.inputs) there.insert(input.name);
  for (const OnnxNode& node : graph_.nodes) {
    check_known(node);
    for (const std::string& name : node.inputs) {
      if (!name.empty() && !there.contains(name)) refuse_node(node, "reads '" + name + "', which is not there yet");
    }
    for (const std::string& name : node.outputs) {
      if (!name.empty() && !there.insert(name).second) refuse_node(node, "gives '" + name + "' a second time");
    }
  }
  for (const OnnxValueInfo& output : graph_.outputs) {
    if (!there.contains(output.name))
      throw CheckpointError("the ONNX model's output '" + output.name + "' is not made");
  }
}

OnnxValues OnnxEvaluator::run(const OnnxValues& inputs, std::span<const std::string> wanted) const {
  std::set<std::string> names(wanted.begin(), wanted.end());
  if (wanted.empty()) {
    for (const OnnxValueInfo& output : graph_.outputs) names.insert(output.name);
  }
  OnnxDeclarations declared(options_.floats);
  OnnxValues values;
  for (const OnnxValueInfo& input : graph_.inputs) {
    const auto given = inputs.find(input.name);
    if (given == inputs.end()) throw CheckpointError("the ONNX model's input '" + input.name + "' was not given");
    values[input.name] = declared.input(input, given->second.to(options_.device));
  }
  const torch::NoGradGuard no_grad;
  const auto dropped = last_reads(graph_, names);
  for (std::size_t k = 0; k < graph_.nodes.size(); ++k) {
    run_node(graph_.nodes[k], options_.floats, constants_, values);
    for (const std::string& name : dropped[k]) values.erase(name);
  }
  OnnxValues results;
  for (const std::string& name : names) {
    const auto constant = constants_.find(name);
    if (constant == constants_.end() && !values.contains(name))
      throw CheckpointError("the ONNX model has no value '" + name + "'");
    results[name] = constant != constants_.end() ? constant->second : values.at(name);
  }
  for (const OnnxValueInfo& output : graph_.outputs) {
    if (const auto found = results.find(output.name); found != results.end()) declared.check(output, found->second);
  }
  return results;
}

}  // namespace rtdetr
