#include <set>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/onnx/onnx_fields.h"
#include "core/onnx/onnx_file.h"
#include "core/onnx/onnx_parser.h"

/// The model, its graph, inputs and outputs.
namespace rtdetr {
namespace onnx_parser {
namespace field = onnx_field;

namespace {

constexpr std::int64_t kIrVersion = 8;

/// Reads one of many, and says which it is where it cannot be read.
template <typename Read>
auto read_numbered(const char* what, std::size_t index, const Read& read) {
  try {
    return read();
  } catch (const ProtoFault& fault) {
    throw ProtoFault{"in " + std::string(what) + " " + std::to_string(index) + " (from 0): " + fault.what};
  }
}

}  // namespace

OnnxDimension ModelParser::dimension(std::string_view bytes) {
  OnnxDimension result = std::int64_t{-1};
  const FieldSet present = each("a dimension", bytes, {}, [&](const ProtoField& part) {
    if (part.number == field::dimension::kSize) {
      result = part.as_integer();
    } else if (part.number == field::dimension::kName) {
      result = text(part);
    } else {
      refuse_field("a dimension", part);
    }
  });
  if (const auto* size = std::get_if<std::int64_t>(&result); size && *size < 0)
    throw ProtoFault{"a dimension has neither a size nor a name"};
  if (has_all(present, fields(field::dimension::kSize, field::dimension::kName)))
    throw ProtoFault{"a dimension has a size and a name"};
  return result;
}

void ModelParser::tensor_type(std::string_view bytes, OnnxValueInfo& value) {
  const FieldSet present = each("a tensor's type", bytes, {}, [&](const ProtoField& part) {
    if (part.number == field::tensor_type::kElement) {
      value.type = type_of(part.as_integer());
    } else if (part.number == field::tensor_type::kShape) {
      each("a shape", part.as_bytes(), fields(field::shape::kDimensions), [&](const ProtoField& axis) {
        if (axis.number != field::shape::kDimensions) refuse_field("a shape", axis);
        value.dims.push_back(dimension(axis.as_bytes()));
      });
    } else {
      refuse_field("a tensor's type", part);
    }
  });
  if (!has_all(present, fields(field::tensor_type::kElement, field::tensor_type::kShape)))
    throw ProtoFault{"the input or output '" + value.name + "' has no element type or no shape"};
}

OnnxValueInfo ModelParser::value(std::string_view bytes) {
  OnnxValueInfo result;
  bool typed = false;
  each("an input or output", bytes, {}, [&](const ProtoField& part) {
    if (part.number == field::value::kName) {
      result.name = text(part);
    } else if (part.number == field::value::kType) {
      each("a type", part.as_bytes(), {}, [&](const ProtoField& kind) {
        if (kind.number != field::type::kTensor) refuse_field("a type", kind);
        tensor_type(kind.as_bytes(), result);
        typed = true;
      });
    } else {
      refuse_field("an input or output", part);
    }
  });
  if (!typed) throw ProtoFault{"the input or output '" + result.name + "' has no type"};
  return result;
}

OnnxGraph ModelParser::graph(std::string_view bytes) {
  namespace names = field::graph;
  OnnxGraph result;
  constexpr FieldSet kLists = fields(names::kNodes, names::kInitializers, names::kInputs, names::kOutputs);
  each("the graph", bytes, kLists, [&](const ProtoField& part) {
    if (part.number == names::kNodes) {
      result.nodes.push_back(read_numbered("node", result.nodes.size(), [&] { return node(part.as_bytes()); }));
    } else if (part.number == names::kName) {
      result.name = text(part);
    } else if (part.number == names::kInitializers) {
      result.initializers.push_back(
          read_numbered("constant", result.initializers.size(), [&] { return tensor(part.as_bytes()); }));
    } else if (part.number == names::kInputs) {
      result.inputs.push_back(read_numbered("input", result.inputs.size(), [&] { return value(part.as_bytes()); }));
    } else if (part.number == names::kOutputs) {
      result.outputs.push_back(read_numbered("output", result.outputs.size(), [&] { return value(part.as_bytes()); }));
    } else {
      refuse_field("the graph", part);
    }
  });
  return result;
}

void ModelParser::opset(std::string_view bytes, OnnxModel& model) {
  const FieldSet present = each("the operator set", bytes, {}, [&](const ProtoField& part) {
    if (part.number == field::opset::kVersion) {
      model.opset = part.as_integer();
    } else if (part.number != field::opset::kDomain || !part.as_bytes().empty()) {
      throw ProtoFault{"it uses operators of another domain than ONNX's own"};
    }
  });
  if (!has_all(present, fields(field::opset::kVersion))) throw ProtoFault{"its operator set has no version"};
}

void ModelParser::metadata(std::string_view bytes, OnnxModel& model) {
  std::string key, value;
  each("the metadata", bytes, {}, [&](const ProtoField& part) {
    if (part.number == field::entry::kKey) {
      key = text(part);
    } else if (part.number == field::entry::kValue) {
      value = text(part);
    } else {
      refuse_field("the metadata", part);
    }
  });
  if (!model.metadata.emplace(key, value).second) throw ProtoFault{"the metadata has '" + key + "' twice"};
}

OnnxModel ModelParser::model(std::string_view bytes) {
  OnnxModel result;
  const FieldSet present = each("the model", bytes, fields(field::model::kMetadata), [&](const ProtoField& part) {
    if (part.number == field::model::kIrVersion) {
      result.ir_version = part.as_integer();
    } else if (part.number == field::model::kProducerName) {
      result.producer_name = text(part);
    } else if (part.number == field::model::kProducerVersion) {
      result.producer_version = text(part);
    } else if (part.number == field::model::kGraph) {
      result.graph = graph(part.as_bytes());
    } else if (part.number == field::model::kOpsets) {
      opset(part.as_bytes(), result);
    } else if (part.number == field::model::kMetadata) {
      metadata(part.as_bytes(), result);
    } else {
      refuse_field("the model", part);
    }
  });
  if (!has_all(present, fields(field::model::kIrVersion)) || result.ir_version != kIrVersion)
    throw ProtoFault{"its IR version is not " + std::to_string(kIrVersion)};
  if (!has_all(present, fields(field::model::kGraph, field::model::kOpsets)))
    throw ProtoFault{"it has no graph, or does not say which operators it means"};
  return result;
}

}  // namespace onnx_parser

namespace {

using onnx_parser::ModelParser;

/// Every name is given once, and before it is used.
void check_names(const OnnxGraph& graph) {
  std::set<std::string_view> known;
  const auto give = [&](const std::string& name, const std::string& giver) {
    if (name.empty()) throw ProtoFault{giver + " has no name"};
    if (!known.insert(name).second) throw ProtoFault{"the value '" + name + "' is given twice"};
  };
  const auto use = [&](const std::string& name, const std::string& user) {
    if (!name.empty() && !known.contains(name)) throw ProtoFault{user + " uses '" + name + "', which nothing gives"};
  };
  for (const OnnxValueInfo& input : graph.inputs) give(input.name, "an input");
  for (const OnnxTensor& constant : graph.initializers) give(constant.name, "a constant");
  for (const OnnxNode& node : graph.nodes) {
    for (const std::string& name : node.inputs) use(name, node.name);
    for (const std::string& name : node.outputs) give(name, "an output of " + node.name);
  }
  for (const OnnxValueInfo& output : graph.outputs) {
    if (!known.contains(output.name)) throw ProtoFault{"nothing gives the output '" + output.name + "'"};
  }
}

}  // namespace

OnnxModel parse_onnx(std::string_view bytes, const std::string& origin) {
  try {
    OnnxModel model = ModelParser().model(bytes);
    check_names(model.graph);
    return model;
  } catch (const ProtoFault& fault) {
    throw CheckpointError(origin + ": is not an ONNX file that rtdetr wrote, or is damaged: " + fault.what);
  }
}

}  // namespace rtdetr
