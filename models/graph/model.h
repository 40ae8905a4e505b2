#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <torch/types.h>

#include "core/tensor/detection.h"
#include "models/graph/build_options.h"
#include "models/graph/head.h"
#include "models/graph/model_spec.h"
#include "models/layers/module_tree.h"

namespace rtdetr {

/// A detector built from a YAML graph. Modules are registered under the paths their rows name (`model.<row>` without
/// one), so the state's keys are the reference's.
class DetectionModelImpl : public Container {
 public:
  DetectionModelImpl(ModelSpec spec, const BuildOptions& options);
  ~DetectionModelImpl() override;

  /// @param images  [B, 3, H, W] in [0, 1], also where the file has `mean` and `std`; H and W multiples of stride()
  /// @throws ConfigError  if the size does not fit the strides
  /// @note  in evaluation mode several threads may run it at once
  ModelOutput forward(const torch::Tensor& images, const ForwardOptions& options = {});

  const ModelSpec& spec() const;  ///< as resolved: nc, scale, queries, decoder layers; so is its text
  std::int64_t num_classes() const;
  std::int64_t num_decoder_layers() const;
  std::int64_t stride() const;  ///< the least common multiple of the graph's, 32
  bool fused() const;

  /// Folds BatchNorm into convolutions and RepConv branches into one kernel, drops what only training needs
  /// (denoising embedding, decoder layers beyond `decoder_layers`). Exact up to rounding. Evaluation only.
  void fuse();

  /// What `forward` computes, as operators of an ONNX graph, row by row; their names begin with the row's number and
  /// module, "3.RepC3/". For a fused model.
  /// @param images  [B, 3, H, W], with H and W known
  /// @throws ConfigError  if the model does not take images of that shape
  /// @throws ModelError   naming the row whose module has no ONNX form
  OnnxPrediction emit(OnnxBuilder& graph, const OnnxValue& images, const OnnxHeadOptions& options = {}) const;

  const Head& head() const;  ///< the last row's module

  /// One line per row for `rtdetr info`: index, from, repeats, params, module, arguments; and the part it belongs to.
  struct Row {
    int index = 0;
    std::string from;
    std::int64_t repeats = 1;
    std::int64_t parameters = 0;  ///< trainable and frozen, no buffers
    std::string module;
    std::string arguments;
    std::string path;
    std::vector<std::string> places;  ///< what keys of its tensors begin with: the path, or of an open one its parts
    std::string part;                 ///< "backbone", "encoder" or "decoder"
  };
  std::vector<Row> rows() const;

 private:
  struct Graph;
  std::unique_ptr<Graph> graph_;
};
TORCH_MODULE(DetectionModel);

/// Builds with initial weights as the references draw them, every tensor a function of (seed, key).
DetectionModel build_model(const ModelSpec& spec, const BuildOptions& options = {});

}  // namespace rtdetr
