#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

/// An ONNX model in memory: the part of onnx.proto (IR version 8) that our exports need. No LibTorch.
namespace rtdetr {

/// TensorProto.DataType, with its numbers.
enum class OnnxType : std::int32_t {
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kInt32 = 6,
  kInt64 = 7,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kBfloat16 = 16
};

struct OnnxTensor {
  std::string name;
  OnnxType type = OnnxType::kFloat;
  std::vector<std::int64_t> dims;  ///< empty: a scalar
  std::vector<std::byte> data;     ///< row-major, little-endian, without gaps
};

using OnnxAttribute =
    std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>, std::vector<float>, OnnxTensor>;

struct OnnxNode {
  std::string op;                    ///< "Conv"; of the default domain
  std::string name;                  ///< the YAML's row and the role in it: "3.RepC3/cv1/Conv"
  std::vector<std::string> inputs;   ///< values by name; "" = an optional one that is left out
  std::vector<std::string> outputs;  ///< each name is given once in a graph
  std::map<std::string, OnnxAttribute> attributes;
};

/// An axis: its size, or the name of one that callers choose ("N").
using OnnxDimension = std::variant<std::int64_t, std::string>;

struct OnnxValueInfo {
  std::string name;
  OnnxType type = OnnxType::kFloat;
  std::vector<OnnxDimension> dims;
};

struct OnnxGraph {
  std::string name;
  std::vector<OnnxNode> nodes;           ///< each after those whose outputs it takes
  std::vector<OnnxTensor> initializers;  ///< the constants
  std::vector<OnnxValueInfo> inputs, outputs;
};

struct OnnxModel {
  std::int64_t ir_version = 8, opset = 17;
  std::string producer_name, producer_version;
  OnnxGraph graph;
  std::map<std::string, std::string> metadata;  ///< metadata_props
};

}  // namespace rtdetr
