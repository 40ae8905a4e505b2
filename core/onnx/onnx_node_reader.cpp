#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/io/safetensors.h"
#include "core/io/utf8.h"
#include "core/onnx/onnx_fields.h"
#include "core/onnx/onnx_file.h"
#include "core/onnx/onnx_parser.h"

/// Nodes with their attributes, and constants.
namespace rtdetr::onnx_parser {

namespace field = onnx_field;

[[noreturn]] void refuse_field(const char* message, const ProtoField& field) {
  throw ProtoFault{"field " + std::to_string(field.number) + " of " + message + " is not one that rtdetr writes"};
}

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

namespace {

void check_size(const OnnxTensor& tensor) {
  const std::optional<std::size_t> size = bytes_of_shape(tensor.dims, onnx_element_size(tensor.type));
  if (!size) throw ProtoFault{"the constant '" + tensor.name + "' has no possible shape"};
  if (*size != tensor.data.size()) {
    throw ProtoFault{"the constant '" + tensor.name + "' has " + std::to_string(tensor.data.size()) +
                     " bytes, and its shape asks for " + std::to_string(*size)};
  }
}

/// The list in `value`, which is one of T or nothing yet.
template <typename T>
std::vector<T>& list_in(std::optional<OnnxAttribute>& value) {
  if (!value) value.emplace(std::vector<T>());
  if (auto* list = std::get_if<std::vector<T>>(&*value)) return *list;
  throw ProtoFault{"an attribute has values of two types"};
}

}  // namespace

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

}  // namespace rtdetr::onnx_parser
