#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <torch/types.h>

#include "core/image/image_size.h"
#include "core/ops/packed/number_format.h"
#include "models/graph/model.h"
#include "models/layers/basic.h"
#include "models/onnx/onnx_builder.h"

namespace rtdetr {

/// A value of a graph that an engine compiles: of one picture, so that every size is known.
struct EngineValue {
  std::string name;
  std::vector<std::int64_t> shape;
  OnnxType type = OnnxType::kFloat;
  torch::Tensor constant;  ///< undefined: computed

  std::int64_t elements() const;
};

/// An operator, and what fusion (fusion.h) joined to it: act(op(x)) + residual, or act(op(x) + residual).
struct EngineNode {
  std::string op, name;
  std::vector<int> inputs;   ///< values; -1 = left out
  std::vector<int> outputs;  ///< values
  OnnxAttributes attributes;
  Activation activation = Activation::kNone;
  int residual = -1;                             ///< a value to add
  bool residual_first = false;                   ///< the activation is of the sum
  NumberFormat format = NumberFormat::kFloat32;  ///< of products (numbers.h)
  ByteScale bytes = {};                          ///< int8: of its input

  std::int64_t integer(const std::string& attribute, std::int64_t fallback = 0) const;
  std::vector<std::int64_t> integers(const std::string& attribute) const;
  double number(const std::string& attribute) const;
};

struct EngineGraph {
  std::vector<EngineNode> nodes;  ///< each after those whose outputs it takes
  std::vector<EngineValue> values;
  int images = -1;  ///< [1, 3, H, W]
  struct Layer {
    int logits = -1, boxes = -1;
  };
  std::vector<Layer> layers;  ///< the head's that are handed out, the last at the end
  int tokens = -1;            ///< -1: nothing is selected

  const EngineValue& value(int index) const { return values[static_cast<std::size_t>(index)]; }
  bool is_constant(int index) const { return index >= 0 && value(index).constant.defined(); }
  /// The values that the caller reads.
  std::vector<int> outputs() const;
  /// The node that puts a value out, -1: none. By value.
  std::vector<int> producers() const;
  /// How often a value is read, by nodes and by the caller. By value.
  std::vector<int> readers() const;
  /// Leaves out nodes that nothing reads.
  void drop_idle_nodes();
};

/// The graph of a fused model, native dialect, batch 1.
/// @param what         its decoder_layers and all_layers
/// @throws ModelError  naming the row whose module has no ONNX form
EngineGraph make_engine_graph(const DetectionModelImpl& model, const ImageSize& size, const OnnxHeadOptions& what);

}  // namespace rtdetr
