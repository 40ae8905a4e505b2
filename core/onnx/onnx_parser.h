#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/onnx/onnx_model.h"
#include "core/onnx/proto_wire.h"

/// How onnx_reader.cpp (the model, its graph, inputs and outputs) and onnx_node_reader.cpp (nodes, attributes and
/// constants) read messages of onnx.proto.
namespace rtdetr::onnx_parser {

/// Nodes, names and other parts of a file: two bytes of it could ask for 200 of memory.
inline constexpr std::int64_t kMostParts = 1 << 20;

/// Of fields, by their numbers: a bit each.
using FieldSet = std::uint32_t;

constexpr FieldSet bit(int number) { return number < 32 ? FieldSet{1} << number : 0; }

template <typename... Fields>
constexpr FieldSet fields(Fields... numbers) {
  return (bit(numbers) | ... | FieldSet{0});
}

inline bool has_all(FieldSet present, FieldSet wanted) { return (present & wanted) == wanted; }

[[noreturn]] void refuse_field(const char* message, const ProtoField& field);
std::string text(const ProtoField& field);
OnnxType type_of(std::int64_t number);

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

}  // namespace rtdetr::onnx_parser
