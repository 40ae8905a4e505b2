#pragma once

#include "core/base/cpp20.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <torch/types.h>

#include "core/onnx/onnx_model.h"

/// An ONNX graph grows node by node. Modules add theirs in `emit`, which stands beside `forward` and takes values where
/// that takes tensors; onnx_ops.h has the operators. Every value's shape is known, but for axes that
/// follow the batch, and those that follow height and width where a graph leaves these free.
namespace rtdetr {

/// A result of a node, an input of the graph, or a constant.
struct OnnxValue {
  static constexpr std::int64_t kBatch = -1;  ///< in a shape: the batch size, or a multiple of it
  static constexpr std::int64_t kFree = -2;   ///< what follows from a height and a width that callers choose

  std::string name;
  std::vector<std::int64_t> shape;
  OnnxType type = OnnxType::kFloat;

  /// Axis `i`; of a negative one, from the end.
  std::int64_t size(std::int64_t i) const { return shape.at(static_cast<std::size_t>(i < 0 ? i + rank() : i)); }
  std::int64_t rank() const { return static_cast<std::int64_t>(shape.size()); }
};

/// Who reads a graph.
enum class OnnxDialect {
  kStandard,  ///< files: operators of opset 17
  kNative,    ///< models/deploy/engine: whole attentions, linear layers and activations are one node; no file has it
};

using OnnxAttributes = std::map<std::string, OnnxAttribute>;

/// What a node puts out.
struct OnnxResult {
  std::vector<std::int64_t> shape;
  OnnxType type = OnnxType::kFloat;
};

/// A graph of the native dialect: its constants are the model's own tensors, and every value's shape is known.
struct NativeGraph {
  std::vector<OnnxNode> nodes;
  std::map<std::string, OnnxResult> values;        ///< inputs, constants and what nodes put out
  std::map<std::string, torch::Tensor> constants;  ///< of any strides; they share the model's memory where they can
};

class OnnxBuilder {
 public:
  /// @param float_type  of floating constants: kFloat or kFloat16; kDouble, which no export uses, keeps every digit
  explicit OnnxBuilder(OnnxType float_type = OnnxType::kFloat, OnnxDialect dialect = OnnxDialect::kStandard)
      : float_type_(float_type), dialect_(dialect) {}
  OnnxBuilder(const OnnxBuilder&) = delete;
  OnnxBuilder& operator=(const OnnxBuilder&) = delete;

  /// While it lives, nodes and constants are named below `part`: "3.RepC3/cv1/Conv".
  class Scope {
   public:
    Scope(OnnxBuilder& graph, const std::string& part) : graph_(graph), outer_(graph.scope_.size()) {
      graph.scope_ += part + "/";
    }
    ~Scope() { graph_.scope_.resize(outer_); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    OnnxBuilder& graph_;
    std::size_t outer_;
  };
  [[nodiscard]] Scope within(const std::string& part) { return Scope(*this, part); }
  /// What `module` emits, named below `part`.
  template <typename Module, typename... Inputs>
  auto emit(const std::string& part, const Module& module, const Inputs&... inputs) {
    const Scope scope = within(part);
    return module->emit(*this, inputs...);
  }

  /// An input of the graph. Axes kBatch are called "N", axes kFree of a picture "height" and "width".
  OnnxValue input(const std::string& name, std::vector<std::int64_t> shape, OnnxType type);
  /// Makes `value` an output of the graph, called `name`, as nothing else may be.
  void output(const OnnxValue& value, const std::string& name);

  /// A constant named after its role in the present scope ("weight"); equal ones are one. Floating tensors take the
  /// graph's type. Every number has to be finite in the type that it is written in, here and below.
  /// @throws CheckpointError  naming it, for one that is not
  OnnxValue constant(const std::string& role, const torch::Tensor& tensor);
  OnnxValue number(double value);                               ///< a scalar of the graph's type
  OnnxValue integer(std::int64_t value);                        ///< an int64 scalar
  OnnxValue integers(const std::vector<std::int64_t>& values);  ///< int64, one axis
  /// Where an operator wants float32 whatever the graph computes in.
  OnnxValue float32_constant(const std::string& role, const torch::Tensor& tensor);
  /// For what half types have too few digits for, such as boxes and places in a map: of precise_type().
  OnnxValue precise_constant(const std::string& role, const torch::Tensor& tensor);

  /// Adds a node with one output, named after scope and operator. Values have numbers in a file, "v12": of a small
  /// model's file their names would be a large part. In the native dialect the value is called as the node.
  OnnxValue node(const std::string& op, const std::vector<OnnxValue>& inputs, OnnxResult result,
                 OnnxAttributes attributes = {});
  /// Adds a node with several.
  std::vector<OnnxValue> node(const std::string& op, const std::vector<OnnxValue>& inputs,
                              std::vector<OnnxResult> results, OnnxAttributes attributes = {});

  OnnxType float_type() const { return float_type_; }
  OnnxType precise_type() const { return float_type_ == OnnxType::kFloat16 ? OnnxType::kFloat : float_type_; }
  bool native() const { return dialect_ == OnnxDialect::kNative; }
  /// The graph as far as it is, under its outputs' names; the builder is empty then.
  OnnxGraph finish(const std::string& name);
  /// The same of the native dialect, whose outputs keep the names of their nodes.
  NativeGraph finish_native();

 private:
  std::string fresh_name(const std::string& wish);
  std::string native_name(const std::string& node, std::size_t k);  ///< of the value that a node puts out as its k-th
  OnnxValue add_constant(const std::string& wish, const torch::Tensor& values, OnnxType float_type);
  OnnxValue add_native_constant(const std::string& wish, const torch::Tensor& values, OnnxType float_type);
  void drop_unread_constants();  ///< engines warn of them
  void rename(const std::string& from, const std::string& to);

  OnnxType float_type_;
  OnnxDialect dialect_;
  NativeGraph native_;  ///< all but its nodes
  std::string scope_;   ///< "3.RepC3/cv1/"
  OnnxGraph graph_;
  std::size_t value_count_ = 0;                             ///< that have been named so far
  std::map<std::string, std::int64_t> used_;                ///< names, and how often each was wished for
  std::multimap<std::size_t, std::size_t> constants_;       ///< hash of the bytes → index of the initializer
  std::vector<std::pair<OnnxValue, std::string>> outputs_;  ///< value, name as output
};

}  // namespace rtdetr
