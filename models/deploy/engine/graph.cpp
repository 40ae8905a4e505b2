#include "models/deploy/engine/graph.h"

#include <algorithm>

#include <torch/types.h>

namespace rtdetr {
namespace {

/// Gives numbers to the values of a native graph.
class Numbering {
 public:
  explicit Numbering(const NativeGraph& native) {
    for (const auto& [name, result] : native.values) {
      index_[name] = static_cast<int>(values.size());
      const auto constant = native.constants.find(name);
      values.push_back(
          {name, result.shape, result.type, constant == native.constants.end() ? Tensor() : constant->second});
    }
  }
  int of(const std::string& name) const { return name.empty() ? -1 : index_.at(name); }
  std::vector<int> of(const std::vector<std::string>& names) const {
    std::vector<int> indices;
    for (const std::string& name : names) indices.push_back(of(name));
    return indices;
  }

  std::vector<EngineValue> values;

 private:
  std::map<std::string, int> index_;
};

template <typename T>
const T* attribute_of(const EngineNode& node, const std::string& name) {
  const auto found = node.attributes.find(name);
  return found == node.attributes.end() ? nullptr : std::get_if<T>(&found->second);
}

}  // namespace

std::int64_t EngineValue::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t size : shape) product *= size;
  return product;
}

std::int64_t EngineNode::integer(const std::string& attribute, std::int64_t fallback) const {
  const auto* value = attribute_of<std::int64_t>(*this, attribute);
  return value ? *value : fallback;
}

std::vector<std::int64_t> EngineNode::integers(const std::string& attribute) const {
  const auto* value = attribute_of<std::vector<std::int64_t>>(*this, attribute);
  return value ? *value : std::vector<std::int64_t>();
}

double EngineNode::number(const std::string& attribute) const {
  const auto* value = attribute_of<float>(*this, attribute);
  return value ? static_cast<double>(*value) : 0;
}

std::vector<int> EngineGraph::outputs() const {
  std::vector<int> all;
  for (const Layer& layer : layers) {
    all.push_back(layer.logits);
    all.push_back(layer.boxes);
  }
  if (tokens >= 0) all.push_back(tokens);
  return all;
}

std::vector<int> EngineGraph::producers() const {
  std::vector<int> producer(values.size(), -1);
  for (std::size_t k = 0; k < nodes.size(); ++k) {
    for (const int output : nodes[k].outputs) producer[static_cast<std::size_t>(output)] = static_cast<int>(k);
  }
  return producer;
}

std::vector<int> EngineGraph::readers() const {
  std::vector<int> count(values.size(), 0);
  const auto read = [&](int value) {
    if (value >= 0) ++count[static_cast<std::size_t>(value)];
  };
  for (const EngineNode& node : nodes) {
    for (const int input : node.inputs) read(input);
    read(node.residual);
  }
  for (const int output : outputs()) read(output);
  return count;
}

void EngineGraph::drop_idle_nodes() {
  std::vector<int> count = readers();
  std::vector<EngineNode> kept;
  for (std::size_t k = nodes.size(); k-- > 0;) {
    EngineNode& node = nodes[k];
    const bool read = std::ranges::any_of(node.outputs, [&](int v) { return count[static_cast<std::size_t>(v)] > 0; });
    if (read) {
      kept.push_back(std::move(node));
      continue;
    }
    for (const int input : node.inputs) {
      if (input >= 0) --count[static_cast<std::size_t>(input)];
    }
    if (node.residual >= 0) --count[static_cast<std::size_t>(node.residual)];
  }
  std::ranges::reverse(kept);
  nodes = std::move(kept);
}

EngineGraph make_engine_graph(const DetectionModelImpl& model, const ImageSize& size, const OnnxHeadOptions& what) {
  OnnxBuilder builder(OnnxType::kFloat, OnnxDialect::kNative);
  const OnnxValue images =
      builder.input("images", {1, model.spec().channels, size.height, size.width}, OnnxType::kFloat);
  const OnnxPrediction found = model.emit(builder, images, what);
  NativeGraph native = builder.finish_native();
  Numbering numbering(native);
  EngineGraph graph;
  for (OnnxNode& node : native.nodes)
    graph.nodes.push_back(
        {node.op, node.name, numbering.of(node.inputs), numbering.of(node.outputs), std::move(node.attributes)});
  graph.images = numbering.of(images.name);
  for (const OnnxLayer& layer : found.earlier)
    graph.layers.push_back({numbering.of(layer.logits.name), numbering.of(layer.boxes_cxcywh.name)});
  graph.layers.push_back({numbering.of(found.last.logits.name), numbering.of(found.last.boxes_cxcywh.name)});
  graph.tokens = numbering.of(found.tokens.name);
  graph.values = std::move(numbering.values);
  graph.drop_idle_nodes();
  return graph;
}

}  // namespace rtdetr
