#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/base/error.h"
#include "core/image/picture.h"
#include "core/tensor/detection.h"
#include "models/layers/fuse.h"
#include "models/onnx/onnx_builder.h"

namespace rtdetr {

/// Random draws of a denoising group, so that tests can inject the reference's. See models/heads/detr/denoising.h.
struct DenoisingDraws;

/// Maps on their way through a model, for who wants to see them: they are kept until the head has run.
struct MapProbe {
  std::vector<Tensor> backbone;  ///< what the rest of the model reads of the backbone
  std::vector<Tensor> encoder;   ///< what the head reads
  bool every_row = false;        ///< asks for
  std::vector<Tensor> rows;      ///< what each row puts out, but for the head
  // Of a head with an encoder of its own:
  std::vector<Tensor> projected;  ///< the maps that this reads
  std::vector<Tensor> tokens;     ///< what each of its layers puts out, [B, S, D]
};

/// Which pictures of a batch that several processes train on together these are: `rank`, `rank + world`, …
struct BatchShare {
  std::int64_t rank = 0, world = 1;
  std::optional<std::int64_t> largest_count;  ///< boxes of the picture with the most, in all processes; empty: in this
};

struct ForwardOptions {
  /// Training: ground truth of each image; adds denoising queries. Empty outside training. Best on the CPU, wherever
  /// the model is: what is made of it is made there, and brought to the model in one copy.
  std::span<const Target> targets;
  /// Source of the denoising draws; required with targets unless `draws` is given.
  std::optional<torch::Generator> generator;
  const DenoisingDraws* draws = nullptr;
  /// Training: what is drawn, and how many queries are added, is that of the joint batch.
  BatchShare share;
  /// Training: as many queries for every batch as nearly all can do with, so that shapes, and with them what a GPU has
  /// prepared for a shape, repeat. Predictions and gradients are the same but for rounding.
  bool repeat_shapes = false;
  /// Outside training: run only the first k decoder layers (0 = all), and
  std::int64_t decoder_layers = 0;
  /// the heads of every layer rather than of the last one alone (evaluation per layer, one forward pass).
  bool all_layers = false;
  /// Outside training: the tokens that become queries, [B, Q] as ModelOutput::topk_indices; undefined: the best.
  Tensor tokens;
  MapProbe* probe = nullptr;  ///< filled by the model
  /// Pictures of several sizes in one batch: pixels of each, from its top left corner; the rest is padding, which the
  /// head leaves out, and boxes are fractions of these sizes. Whatever it holds, it is 0 after the normalisation of
  /// pictures. Empty: all are whole. Not every head can (Head::leaves_out_padding).
  std::span<const PictureSize> valid_sizes;
  PictureSize batch_size;  ///< with them: pixels of the batch; the model says it

  /// Every layer predicts, and the head may add queries of its own: there are targets to learn from.
  bool for_training() const { return !targets.empty(); }
};

/// What a caller asks of a head that suppresses(), in place of what its model file says.
struct SuppressionChoice {
  std::optional<double> iou = std::nullopt;  ///< [0, 1]: a detection that overlaps a better one by more goes; 1: none
  std::optional<bool> across_classes = std::nullopt;  ///< of another class, too

  bool is_given() const { return iou || across_classes; }
};
/// Why another head takes none.
inline constexpr const char* kNoSuppression =
    "each query of this model is one detection, none is suppressed afterwards; the smallest score chooses";

struct PostprocessOptions {
  std::int64_t max_detections = 300;   ///< per picture; one query may appear with several classes
  bool clip = false;                   ///< keep boxes inside the picture; the references do not
  double min_score = 0;                ///< detections below it need not be found
  SuppressionChoice suppression = {};  ///< of heads that suppress
};

/// A place where a head predicts, as reports call it.
struct HeadLayer {
  /// Of columns and JSON (`layer3/AP`). k > 0: a pass with `decoder_layers = k` ends here. 0: before the first decoder
  /// layer, where no pass can end.
  std::int64_t number = 0;
  std::string name;  ///< of tables
};

/// What a head predicts at one of its layers() in an ONNX graph.
struct OnnxLayer {
  OnnxValue logits;        ///< [B, Q, C] before the sigmoid
  OnnxValue boxes_cxcywh;  ///< [B, Q, 4] fraction of the image, after the sigmoid
};

/// A head's predictions in an ONNX graph.
struct OnnxPrediction {
  OnnxLayer last;
  OnnxValue tokens;                ///< [B, Q] int64 of ModelOutput::topk_indices; without a name: nothing is selected
  std::vector<OnnxLayer> earlier;  ///< with all_layers: of layers() but the last, in their order
};

/// What a graph may be written for.
struct OnnxHeadOptions {
  bool grid_sample = false;         ///< sample maps with GridSample instead of Gather
  std::int64_t decoder_layers = 0;  ///< as ForwardOptions'
  bool all_layers = false;          ///< as ForwardOptions'
};

/// The last row: maps in, predictions out. Same duties as Block. Whatever distinguishes one detector family's end from
/// another's is asked here: no one else knows a head by name.
class Head : public torch::nn::Module {
 public:
  virtual ModelOutput forward(const std::vector<Tensor>& maps, const ForwardOptions& options) = 0;

  /// What `forward` computes outside training, as operators of an ONNX graph; see Block::emit.
  virtual OnnxPrediction emit(OnnxBuilder& /*graph*/, const std::vector<OnnxValue>& /*maps*/,
                              const OnnxHeadOptions& /*options*/) const {
    throw ModelError("has no ONNX form; give its class an emit (models/graph/head.h), or export safetensors");
  }

  /// Decoder layers; 1 for a head without a decoder.
  virtual std::int64_t num_layers() const = 0;
  /// Those that run outside training unless others are asked for, and that a fused model has; the rest only learn.
  virtual std::int64_t usual_layers() const { return num_layers(); }
  /// Predictions per picture that are chosen among the maps' tokens, or begin with learnt boxes; 0 for a head whose
  /// cells all predict.
  virtual std::int64_t num_queries() const { return 0; }
  /// Whether each of them has a learnt part, of which there are no more.
  virtual bool has_learnt_queries() const { return false; }
  /// Whether it takes ForwardOptions::valid_sizes.
  virtual bool leaves_out_padding() const { return false; }
  /// Where a pass with `all_layers` predicts, in the order in which the picture gets there.
  virtual std::vector<HeadLayer> layers() const = 0;

  /// Final detections of a batch, boxes in pixels of the original pictures.
  /// @param prediction  of any of layers(); half types are raised to float32
  /// @param sizes       B original sizes
  /// @return            B entries, best first, on the prediction's device
  virtual std::vector<Detections> postprocess(const Prediction& prediction, std::span<const PictureSize> sizes,
                                              const PostprocessOptions& options) const = 0;

  /// Words of criterion= whose loss trains this head; the first is the one that models with it were published with.
  virtual std::vector<std::string> criteria() const = 0;

  /// The deployment that the published figures of models with this head speak of.
  virtual Deployment deployment() const = 0;
  /// Operations on `tokens` tokens that the reference executes, and its published figures count, but this head spares.
  virtual double spared_operations(std::int64_t /*tokens*/) const { return 0; }
  /// Whether postprocess leaves out predictions that overlap better ones, which no ONNX graph of ours does.
  virtual bool suppresses() const { return false; }
};
using HeadPtr = std::shared_ptr<Head>;

/// What `output` of a pass with `all_layers` holds at one of its head's layers().
inline const Prediction& prediction_at(const ModelOutput& output, const HeadLayer& layer) {
  return layer.number == 0 ? output.encoder : output.layers.at(static_cast<std::size_t>(layer.number) - 1);
}

}  // namespace rtdetr
