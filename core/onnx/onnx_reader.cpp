#include <algorithm>
#include <optional>
#include <set>

#include "core/base/error.h"
#include "core/io/utf8.h"
#include "core/onnx/onnx_fields.h"
#include "core/onnx/onnx_file.h"
#include "core/onnx/proto_wire.h"

namespace rtdetr {
namespace {

namespace field = onnx_field;

/// Nodes, names and other parts of a file: two bytes of it could ask for 200 of memory.
constexpr std::int64_t kMostParts = 1 << 20;
constexpr std::int64_t kIrVersion = 8;

/// Of fields, by their numbers: a bit each.
using FieldSet = std::uint32_t;

constexpr FieldSet bit(int number) { return number < 32 ? FieldSet{1} << number : 0; }

template <typename... Fields>
constexpr FieldSet fields(Fields... numbers) {
  return (bit(numbers) | ... | FieldSet{0});
}

bool has_all(FieldSet present, FieldSet wanted) { return (present & wanted) == wanted; }

[[noreturn]] void refuse_field(const char* message, const ProtoField& field) {
  throw ProtoFault{"field " + std::to_string(field.number) + " of " + message + " is not one that rtdetr writes"};
}

/// Reads one of many, and says which it is where it cannot be read.
template <typename Read>
auto read_numbered(const char* what, std::size_t index, const Read& read) {
  try {
    return read();
  } catch (const ProtoFault& fault) {
    throw ProtoFault{"in " + std::string(what) + " " + std::to_string(index) + " (from 0): " + fault.what};
  }
}

class ModelParser {
 public:
  OnnxModel model(std::string_view bytes);

 private:
  OnnxGraph graph(std::string_view bytes);
  OnnxNode node(std::string_view bytes);
  void attribute(std::string_view bytes, OnnxNode& node);
  void attribute_value(const ProtoField& part, std::optional<OnnxAttribute>& value);
  OnnxTensor tensor(std::string_view bytes);
  OnnxValueInfo value(std::string_view bytes);
  void tensor_type(std::string_view bytes, OnnxValueInfo& value);
  void opset(std::string_view bytes, OnnxModel& model);
  void metadata(std::string_view bytes, OnnxModel& model);
  OnnxDimension dimension(std::string_view bytes);

  /// Calls `read` for each field of a message, which has those outside `lists` once at most. @return  which it has
  template <typename Read>
  FieldSet each(const char* message, std::string_view bytes, FieldSet lists, const Read& read) {
    FieldSet present = 0;
    ProtoReader reader(bytes);
    while (const auto next = reader.next()) {
      if (++parts_ > kMostParts) throw ProtoFault{"it has more than a million parts"};
      if (bit(next->number) & present & ~lists)
        throw ProtoFault{"field " + std::to_string(next->number) + " of " + message + " is there twice"};
      present |= bit(next->number);
      read(*next);
    }
    return present;
  }

  std::int64_t parts_ = 0;
};

std::string text(const ProtoField& field) {
  std::string result(field.as_bytes());
  if (!is_utf8(result)) throw ProtoFault{"the text of field " + std::to_string(field.number) + " is not UTF-8"};
  return result;
}

OnnxType type_of(std::int64_t number) {
  const auto type = static_cast<OnnxType>(number);
  switch (type) {
    case OnnxType::kFloat:
    case OnnxType::kUint8:
    case OnnxType::kInt8:
    case OnnxType::kInt32:
    case OnnxType::kInt64:
    case OnnxType::kBool:
    case OnnxType::kFloat16:
    case OnnxType::kDouble:
    case OnnxType::kBfloat16:
      if (static_cast<std::int64_t>(type) == number) return type;
  }
  throw ProtoFault{"the element type " + std::to_string(number) + " is not one that rtdetr writes"};
}

void check_size(const OnnxTensor& tensor) {
  std::uint64_t size = onnx_element_size(tensor.type);
  for (const std::int64_t dimension : tensor.dims) {
    if (dimension < 0 || __builtin_mul_overflow(size, static_cast<std::uint64_t>(dimension), &size))
      throw ProtoFault{"the constant '" + tensor.name + "' has no possible shape"};
  }
  if (size != tensor.data.size()) {
    throw ProtoFault{"the constant '" + tensor.name + "' has " + std::to_string(tensor.data.size()) +
                     " bytes, and its shape asks for " + std::to_string(size)};
  }
}

OnnxTensor ModelParser::tensor(std::string_view bytes) {
  OnnxTensor result;
  const FieldSet present = each("a constant", bytes, fields(field::tensor::kDims), [&](const ProtoField& part) {
    if (part.number == field::tensor::kDims) {
      result.dims.push_back(
          part.as_integer());  // packed ones, which could ask for eight times their size, are not ours
    } else if (part.number == field::tensor::kType) {
      result.type = type_of(part.as_integer());
    } else if (part.number == field::tensor::kName) {
      result.name = text(part);
    } else if (part.number == field::tensor::kData) {
      const std::string_view data = part.as_bytes();
      const auto* begin = reinterpret_cast<const std::byte*>(data.data());
      result.data.assign(begin, begin + data.size());
    } else {
      refuse_field("a constant", part);
    }
  });
  if (!has_all(present, fields(field::tensor::kType)))
    throw ProtoFault{"the constant '" + result.name + "' has no element type"};
  check_size(result);
  return result;
}

/// The list in `value`, which is one of T or nothing yet.
template <typename T>
std::vector<T>& list_in(std::optional<OnnxAttribute>& value) {
  if (!value) value.emplace(std::vector<T>());
  if (auto* list = std::get_if<std::vector<T>>(&*value)) return *list;
  throw ProtoFault{"an attribute has values of two types"};
}

void ModelParser::attribute_value(const ProtoField& part, std::optional<OnnxAttribute>& value) {
  namespace attribute = field::attribute;
  if (part.number == attribute::kIntegers) return list_in<std::int64_t>(value).push_back(part.as_integer());
  if (part.number == attribute::kFloats) return list_in<float>(value).push_back(part.as_float());
  if (value) throw ProtoFault{"an attribute has two values"};
  if (part.number == attribute::kInteger) {
    value = part.as_integer();
  } else if (part.number == attribute::kFloat) {
    value = part.as_float();
  } else if (part.number == attribute::kText) {
    value = text(part);
  } else if (part.number == attribute::kTensor) {
    value = tensor(part.as_bytes());
  } else {
    refuse_field("an attribute", part);
  }
}

void ModelParser::attribute(std::string_view bytes, OnnxNode& node) {
  namespace attribute = field::attribute;
  std::string name;
  std::int64_t type = 0;
  std::optional<OnnxAttribute> value;
  each("an attribute", bytes, fields(attribute::kFloats, attribute::kIntegers), [&](const ProtoField& part) {
    if (part.number == attribute::kName) {
      name = text(part);
    } else if (part.number == attribute::kType) {
      type = part.as_integer();
    } else {
      attribute_value(part, value);
    }
  });
  // Of an empty list nothing but its type is there.
  if (!value && type == attribute::kIntegersType) value.emplace(std::vector<std::int64_t>());
  if (!value && type == attribute::kFloatsType) value.emplace(std::vector<float>());
  if (!value || attribute::kTypes[value->index()] != type)
    throw ProtoFault{"the attribute '" + name + "' of " + node.name + " has no value of the type that it says"};
  if (!node.attributes.emplace(name, *std::move(value)).second)
    throw ProtoFault{"the attribute '" + name + "' of " + node.name + " is there twice"};
}

OnnxNode ModelParser::node(std::string_view bytes) {
  OnnxNode result;
  constexpr FieldSet kLists = fields(field::node::kInputs, field::node::kOutputs, field::node::kAttributes);
  each("a node", bytes, kLists, [&](const ProtoField& part) {
    if (part.number == field::node::kInputs) {
      result.inputs.push_back(text(part));
    } else if (part.number == field::node::kOutputs) {
      result.outputs.push_back(text(part));
    } else if (part.number == field::node::kName) {
      result.name = text(part);
    } else if (part.number == field::node::kOp) {
      result.op = text(part);
    } else if (part.number == field::node::kAttributes) {
      attribute(part.as_bytes(), result);
    } else {
      refuse_field("a node", part);
    }
  });
  if (result.op.empty() || result.outputs.empty()) throw ProtoFault{"a node has no operator or no output"};
  return result;
}

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
