#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <torch/types.h>

#include "core/onnx/onnx_model.h"

/// The operators of ONNX that our exports use, as operator set 17 defines them, on LibTorch's tensors. They read the
/// specification and not our emitters, so that an emitter's misunderstanding shows.
namespace rtdetr {

/// One node with the values of its inputs.
class OnnxCall {
 public:
  /// @param inputs  as many as the node names; undefined = left out
  OnnxCall(const OnnxNode& node, std::vector<torch::Tensor> inputs, torch::ScalarType floats)
      : node_(node), inputs_(std::move(inputs)), floats_(floats) {}

  std::size_t count() const { return inputs_.size(); }
  std::size_t outputs() const { return node_.outputs.size(); }
  bool has(std::size_t i) const { return i < inputs_.size() && inputs_[i].defined(); }
  const torch::Tensor& input(std::size_t i) const;          ///< refuses one that is left out
  const torch::Tensor& floating(std::size_t i) const;       ///< refuses other types
  std::vector<std::int64_t> integers(std::size_t i) const;  ///< the values of an int64 input of at most one axis
  std::int64_t axis(const std::string& name, std::int64_t fallback, std::int64_t rank) const;  ///< in [0, rank)

  std::int64_t integer(const std::string& name, std::int64_t fallback) const;
  std::int64_t required_integer(const std::string& name) const;
  double number(const std::string& name, double fallback) const;
  std::string text(const std::string& name, const std::string& fallback) const;
  std::vector<std::int64_t> integers(const std::string& name, const std::vector<std::int64_t>& fallback) const;

  /// The type behind TensorProto's number; float32 and float16 are float64 in a precise run.
  torch::ScalarType type_of(std::int64_t number) const;
  /// The inputs have one type, as ONNX wants it: nothing is converted silently.
  void check_one_type() const;
  void check(bool condition, const std::string& rule) const {
    if (!condition) refuse(rule);
  }
  [[noreturn]] void refuse(const std::string& rule) const;

 private:
  template <typename T>
  const T* attribute(const std::string& name) const;

  const OnnxNode& node_;
  std::vector<torch::Tensor> inputs_;
  torch::ScalarType floats_;
};

struct OnnxOperator {
  const char* name;
  std::size_t least, most;              ///< inputs
  std::vector<const char*> attributes;  ///< that it understands
  std::vector<torch::Tensor> (*run)(const OnnxCall&);
};

constexpr std::size_t kAnyNumber = 1000;  ///< of inputs

/// LibTorch's name of a type. @param floats  of kFloat and the half types: kFloat32 = as they are, or kFloat64
torch::ScalarType torch_type(OnnxType type, torch::ScalarType floats);

/// -n … -1 count from the end. @param size  n; others than [-n, n), and other types than int32 and int64, are refused
torch::Tensor counted_from_the_front(const OnnxCall& call, const torch::Tensor& indices, std::int64_t size);

/// The table by family. @return nullptr if no operator of that name is known
const OnnxOperator* find_onnx_operator(const std::string& name);
const std::vector<OnnxOperator>& elementwise_operators();
const std::vector<OnnxOperator>& shape_operators();
const std::vector<OnnxOperator>& layer_operators();
const std::vector<OnnxOperator>& selection_operators();

}  // namespace rtdetr
