#include <cstdint>
#include <vector>

#include "core/base/error.h"
#include "core/onnx/onnx_fields.h"
#include "core/onnx/onnx_file.h"
#include "core/onnx/proto_wire.h"

/// Every message but the constants is small, and put together in memory. A message's length stands in front of it, so
/// the constants' lengths are added up before the first byte goes out.
namespace rtdetr {
namespace {

namespace field = onnx_field;

/// All of a constant but its bytes, which follow.
ProtoMessage tensor_head(const OnnxTensor& tensor) {
  ProtoMessage message;
  for (const std::int64_t size : tensor.dims) message.varint(field::tensor::kDims, size);
  message.varint(field::tensor::kType, static_cast<std::int64_t>(tensor.type));
  if (!tensor.name.empty()) message.text(field::tensor::kName, tensor.name);
  message.announce(field::tensor::kData, tensor.data.size());
  return message;
}

std::string_view text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Writes an attribute's value.
struct AttributeWriter {
  ProtoMessage& message;

  void operator()(std::int64_t value) const { message.varint(field::attribute::kInteger, value); }
  void operator()(float value) const { message.fixed32(field::attribute::kFloat, value); }
  void operator()(const std::string& value) const { message.text(field::attribute::kText, value); }
  void operator()(const std::vector<std::int64_t>& values) const {
    for (const std::int64_t value : values) message.varint(field::attribute::kIntegers, value);
  }
  void operator()(const std::vector<float>& values) const {
    for (const float value : values) message.fixed32(field::attribute::kFloats, value);
  }
  void operator()(const OnnxTensor& value) const {
    message.text(field::attribute::kTensor, tensor_head(value).bytes() + std::string(text_of(value.data)));
  }
};

ProtoMessage node_message(const OnnxNode& node) {
  ProtoMessage message;
  for (const std::string& name : node.inputs) message.text(field::node::kInputs, name);
  for (const std::string& name : node.outputs) message.text(field::node::kOutputs, name);
  message.text(field::node::kName, node.name).text(field::node::kOp, node.op);
  for (const auto& [name, value] : node.attributes) {
    ProtoMessage attribute;
    attribute.text(field::attribute::kName, name);
    std::visit(AttributeWriter{attribute}, value);
    attribute.varint(field::attribute::kType, field::attribute::kTypes[value.index()]);
    message.message(field::node::kAttributes, attribute);
  }
  return message;
}

ProtoMessage dimension_message(const OnnxDimension& dimension) {
  ProtoMessage message;
  if (const auto* size = std::get_if<std::int64_t>(&dimension)) {
    message.varint(field::dimension::kSize, *size);
  } else {
    message.text(field::dimension::kName, std::get<std::string>(dimension));
  }
  return message;
}

ProtoMessage value_message(const OnnxValueInfo& value) {
  ProtoMessage shape, tensor, type, message;
  for (const OnnxDimension& dimension : value.dims)
    shape.message(field::shape::kDimensions, dimension_message(dimension));
  tensor.varint(field::tensor_type::kElement, static_cast<std::int64_t>(value.type));
  tensor.message(field::tensor_type::kShape, shape);
  type.message(field::type::kTensor, tensor);
  message.text(field::value::kName, value.name).message(field::value::kType, type);
  return message;
}

/// The graph without its constants.
ProtoMessage graph_message(const OnnxGraph& graph) {
  ProtoMessage message;
  for (const OnnxNode& node : graph.nodes) message.message(field::graph::kNodes, node_message(node));
  message.text(field::graph::kName, graph.name);
  for (const OnnxValueInfo& input : graph.inputs) message.message(field::graph::kInputs, value_message(input));
  for (const OnnxValueInfo& output : graph.outputs) message.message(field::graph::kOutputs, value_message(output));
  return message;
}

/// What stands in front of each constant's bytes: its tag and length in the graph, and all else of it.
std::vector<std::string> constant_heads(const OnnxGraph& graph) {
  std::vector<std::string> heads;
  for (const OnnxTensor& tensor : graph.initializers) {
    const ProtoMessage head = tensor_head(tensor);
    ProtoMessage tag;
    tag.announce(field::graph::kInitializers, head.bytes().size() + tensor.data.size());
    heads.push_back(tag.bytes() + head.bytes());
  }
  return heads;
}

/// The model as far as its graph's length.
ProtoMessage model_head(const OnnxModel& model, std::uint64_t graph_size) {
  ProtoMessage message, opset;
  opset.text(field::opset::kDomain, "").varint(field::opset::kVersion, model.opset);
  message.varint(field::model::kIrVersion, model.ir_version).message(field::model::kOpsets, opset);
  message.text(field::model::kProducerName, model.producer_name);
  message.text(field::model::kProducerVersion, model.producer_version);
  for (const auto& [key, value] : model.metadata) {
    ProtoMessage entry;
    entry.text(field::entry::kKey, key).text(field::entry::kValue, value);
    message.message(field::model::kMetadata, entry);
  }
  message.announce(field::model::kGraph, graph_size);
  return message;
}

}  // namespace

void stream_onnx(const OnnxModel& model, const std::function<void(std::string_view)>& sink, std::uint64_t limit) {
  const ProtoMessage graph = graph_message(model.graph);
  const std::vector<std::string> heads = constant_heads(model.graph);
  std::uint64_t graph_size = graph.bytes().size();
  for (std::size_t k = 0; k < heads.size(); ++k)
    graph_size += heads[k].size() + model.graph.initializers[k].data.size();
  const ProtoMessage front = model_head(model, graph_size);
  if (const std::uint64_t size = graph_size + front.bytes().size(); size > limit)
    throw ConfigError("the model would be a file of " + std::to_string(size) + " bytes, and an ONNX file holds " +
                      std::to_string(limit) + "; cut it (decoder_layers=) or export safetensors");
  sink(front.bytes());
  sink(graph.bytes());
  for (std::size_t k = 0; k < heads.size(); ++k) {
    sink(heads[k]);
    sink(text_of(model.graph.initializers[k].data));
  }
}

}  // namespace rtdetr
