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

[[noreturn]] void refuse_field(const char* message, const ProtoField& field) {
  throw ProtoFault{"field " + std::to_string(field.number) + " of " + message + " is not one that rtdetr writes"};
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

  /// Calls `read` for each field of a message.
  template <typename Read>
  void each(std::string_view bytes, const Read& read) {
    ProtoReader fields(bytes);
    while (const auto next = fields.next()) {
      if (++parts_ > kMostParts) throw ProtoFault{"it has more than a million parts"};
      read(*next);
    }
  }
  std::string text(const ProtoField& field);
  /// One number, or packed ones.
  void integers(const ProtoField& field, std::vector<std::int64_t>& values);

  std::int64_t parts_ = 0;
};

std::string ModelParser::text(const ProtoField& field) {
  std::string result(field.as_bytes());
  if (!is_utf8(result)) throw ProtoFault{"a text is not UTF-8"};
  return result;
}

void ModelParser::integers(const ProtoField& field, std::vector<std::int64_t>& values) {
  if (field.kind != 2) return values.push_back(field.as_integer());
  for (ProtoReader packed(field.bytes); !packed.done();) values.push_back(packed.packed_integer());
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
  bool typed = false;
  each(bytes, [&](const ProtoField& part) {
    if (part.number == field::tensor::kDims) {
      integers(part, result.dims);
    } else if (part.number == field::tensor::kType) {
      result.type = type_of(part.as_integer());
      typed = true;
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
  if (!typed) throw ProtoFault{"the constant '" + result.name + "' has no element type"};
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
  if (part.number == attribute::kIntegers) return integers(part, list_in<std::int64_t>(value));
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
  each(bytes, [&](const ProtoField& part) {
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
  each(bytes, [&](const ProtoField& part) {
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
  each(bytes, [&](const ProtoField& part) {
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
  return result;
}

void ModelParser::tensor_type(std::string_view bytes, OnnxValueInfo& value) {
  each(bytes, [&](const ProtoField& part) {
    if (part.number == field::tensor_type::kElement) {
      value.type = type_of(part.as_integer());
    } else if (part.number == field::tensor_type::kShape) {
      each(part.as_bytes(), [&](const ProtoField& axis) {
        if (axis.number != field::shape::kDimensions) refuse_field("a shape", axis);
        value.dims.push_back(dimension(axis.as_bytes()));
      });
    } else {
      refuse_field("a tensor's type", part);
    }
  });
}

OnnxValueInfo ModelParser::value(std::string_view bytes) {
  OnnxValueInfo result;
  bool typed = false;
  each(bytes, [&](const ProtoField& part) {
    if (part.number == field::value::kName) {
      result.name = text(part);
    } else if (part.number == field::value::kType) {
      each(part.as_bytes(), [&](const ProtoField& kind) {
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
  OnnxGraph result;
  each(bytes, [&](const ProtoField& part) {
    if (part.number == field::graph::kNodes) {
      result.nodes.push_back(node(part.as_bytes()));
    } else if (part.number == field::graph::kName) {
      result.name = text(part);
    } else if (part.number == field::graph::kInitializers) {
      result.initializers.push_back(tensor(part.as_bytes()));
    } else if (part.number == field::graph::kInputs) {
      result.inputs.push_back(value(part.as_bytes()));
    } else if (part.number == field::graph::kOutputs) {
      result.outputs.push_back(value(part.as_bytes()));
    } else {
      refuse_field("the graph", part);
    }
  });
  return result;
}

void ModelParser::opset(std::string_view bytes, OnnxModel& model) {
  each(bytes, [&](const ProtoField& part) {
    if (part.number == field::opset::kVersion) {
      model.opset = part.as_integer();
    } else if (part.number != field::opset::kDomain || !part.as_bytes().empty()) {
      throw ProtoFault{"it uses operators of another domain than ONNX's own"};
    }
  });
}

void ModelParser::metadata(std::string_view bytes, OnnxModel& model) {
  std::string key, value;
  each(bytes, [&](const ProtoField& part) {
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
  int graphs = 0, opsets = 0;
  each(bytes, [&](const ProtoField& part) {
    if (part.number == field::model::kIrVersion) {
      result.ir_version = part.as_integer();
    } else if (part.number == field::model::kProducerName) {
      result.producer_name = text(part);
    } else if (part.number == field::model::kProducerVersion) {
      result.producer_version = text(part);
    } else if (part.number == field::model::kGraph && ++graphs == 1) {
      result.graph = graph(part.as_bytes());
    } else if (part.number == field::model::kOpsets && ++opsets == 1) {
      opset(part.as_bytes(), result);
    } else if (part.number == field::model::kMetadata) {
      metadata(part.as_bytes(), result);
    } else {
      refuse_field("the model", part);
    }
  });
  if (graphs == 0 || opsets == 0) throw ProtoFault{"it has no graph, or does not say which operators it means"};
  return result;
}

/// Every name is given once, and before it is used.
void check_names(const OnnxGraph& graph) {
  std::set<std::string_view> known;
  const auto give = [&](const std::string& name) {
    if (name.empty() || !known.insert(name).second) throw ProtoFault{"the value '" + name + "' is given twice"};
  };
  const auto use = [&](const std::string& name, const std::string& user) {
    if (!name.empty() && !known.contains(name)) throw ProtoFault{user + " uses '" + name + "', which nothing gives"};
  };
  for (const OnnxValueInfo& input : graph.inputs) give(input.name);
  for (const OnnxTensor& constant : graph.initializers) give(constant.name);
  for (const OnnxNode& node : graph.nodes) {
    for (const std::string& name : node.inputs) use(name, node.name);
    for (const std::string& name : node.outputs) give(name);
  }
  for (const OnnxValueInfo& output : graph.outputs) {
    if (!known.contains(output.name)) throw ProtoFault{"nothing gives the output '" + output.name + "'"};
  }
}

}  // namespace

std::size_t onnx_element_size(OnnxType type) {
  switch (type) {
    case OnnxType::kUint8:
    case OnnxType::kInt8:
    case OnnxType::kBool:
      return 1;
    case OnnxType::kFloat16:
    case OnnxType::kBfloat16:
      return 2;
    case OnnxType::kFloat:
    case OnnxType::kInt32:
      return 4;
    case OnnxType::kInt64:
    case OnnxType::kDouble:
      return 8;
  }
  throw InternalError("no ONNX element type has the number " + std::to_string(static_cast<int>(type)));
}

OnnxModel parse_onnx(std::string_view bytes, const std::string& origin) {
  try {
    OnnxModel model = ModelParser().model(bytes);
    check_names(model.graph);
    return model;
  } catch (const ProtoFault& fault) {
    throw CheckpointError(origin + ": is not an ONNX file that rtdetr wrote, or is damaged: " + fault.what);
  }
}

OnnxModel read_onnx(const std::filesystem::path& file) {
  const std::string bytes = read_text_file(file, std::size_t{1} << 31);
  return parse_onnx(bytes, file.string());
}

}  // namespace rtdetr
