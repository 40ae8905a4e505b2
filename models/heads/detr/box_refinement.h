#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <torch/nn/module.h>

#include "core/tensor/box_ops.h"
#include "core/tensor/detection.h"
#include "models/layers/basic.h"
#include "models/layers/mlp.h"
#include "models/layers/state_constants.h"
#include "models/onnx/onnx_builder.h"

/// The step from box k to box k + 1: how a decoder layer's output becomes scores and boxes, and where the next layer
/// looks. The decoder's loop knows no more of it than this, so that a decoder may refine its boxes in another way
/// (distributions of the sides, a second look at the same head) without a loop of its own.
namespace rtdetr {

/// `name.k`, the k-th entry of a list of modules.
std::string indexed(const std::string& name, std::size_t k);

/// The module at a path of names with dots between, which there must be.
std::shared_ptr<torch::nn::Module> module_at(const torch::nn::Module& module, const std::string& path);

/// Takes "list.k", "list.k+1", … off the module; a list's name may have dots.
void remove_children_from(torch::nn::Module& module, const std::string& list, std::size_t k);

/// A last layer that says 0 whatever it reads.
void start_at_zero(const Linear& linear);

constexpr int kBoxHeadLayers = 3;  ///< of the perceptron that moves a box

/// sigmoid(moved + inverse_sigmoid(reference)).
/// @param epsilon  of the inverse sigmoid; of the native dialect kLeastShare alone
OnnxValue emit_moved_boxes(OnnxBuilder& graph, const OnnxValue& moved, const OnnxValue& reference,
                           double epsilon = kLeastShare);

/// The boxes of one forward pass on their way through the layers. Letters: N queries, denoising ones included.
class BoxPass {
 public:
  virtual ~BoxPass() = default;

  /// [B, N, 4] cxcywh, fraction of image, without a gradient but that of start's: where the next layer looks.
  virtual Tensor reference() const = 0;

  /// Takes the output of layer k; called for k = 0, 1, … in turn.
  /// @param content  [B, N, D]
  /// @param wanted   whether this layer's prediction is handed out
  /// @return         the prediction, if wanted
  virtual std::optional<Prediction> advance(std::int64_t k, const Tensor& content, bool wanted) = 0;

  /// After the last layer: what the head's own criterion reads besides the predictions.
  virtual std::shared_ptr<const HeadExtras> extras() const { return nullptr; }
};

/// The same pass in an ONNX graph.
class OnnxBoxPass {
 public:
  virtual ~OnnxBoxPass() = default;

  /// [B, Q, 4] cxcywh of the graph's precise type: where the next layer looks.
  const OnnxValue& reference() const { return reference_; }

  /// Takes the output of layer k, [B, Q, D]; called for k = 0, 1, … in turn.
  /// @param last  no other follows
  virtual void advance(OnnxBuilder& graph, std::size_t k, const OnnxValue& content, bool last) = 0;

  // What layer k predicts, which was the last to be taken:
  virtual OnnxValue scores(OnnxBuilder& graph, std::size_t k, const OnnxValue& content) = 0;
  virtual OnnxValue boxes(OnnxBuilder& /*graph*/, std::size_t /*k*/, const OnnxValue& /*content*/) {
    return reference_;
  }

 protected:
  explicit OnnxBoxPass(OnnxValue reference) : reference_(std::move(reference)) {}
  OnnxValue reference_;
};

/// The modules of a way to refine boxes, registered under the head whose keys they bear. Const in a forward pass: what
/// changes is in the pass.
class BoxRefinement {
 public:
  virtual ~BoxRefinement() = default;

  /// @param reference_logits  [B, N, 4] before the sigmoid: where the queries start. If they are learnt, their gradient
  ///                          comes from the first layer
  virtual std::unique_ptr<BoxPass> start(const Tensor& reference_logits) const = 0;

  /// @param reference  after the sigmoid, of the graph's precise type
  virtual std::unique_ptr<OnnxBoxPass> start_emit(OnnxBuilder& graph, const OnnxValue& reference) const = 0;

  /// @param prior  bias of every class's score
  virtual void init_weights(double prior) = 0;
  /// Drops what layers from the count-th on need.
  virtual void keep_layers(torch::nn::Module& head, std::size_t count) = 0;
  /// Of the state, relative to the head.
  virtual std::vector<StateConstant> constants() const { return {}; }
  /// Parameters that the reference's own deployment drops of a model that is not fused yet.
  virtual std::int64_t idle_parameters() const { return 0; }
};

/// Where a refinement's modules are registered, below the head. Behind the first place the same tensors once more.
struct RefinementKeys {
  std::vector<std::string> scores{"dec_score_head"}, boxes{"dec_bbox_head"};  ///< .k of layer k
  std::string norm = "decoder.norm";
};

struct LogitRefinementOptions {
  std::int64_t layers = 6, dim = 256, classes = 80;
  Activation head_activation = Activation::kRelu;  ///< of the perceptrons that move boxes
  double epsilon = kLeastShare;                    ///< of the boxes' inverse sigmoid
  bool shared = false;       ///< one pair of heads for all layers: the same tensors under each one's keys
  bool output_norm = false;  ///< the heads read what layers put out through a LayerNorm
  /// The perceptron is read twice, of the normed output for the box that is predicted, of the output itself for the one
  /// from which the next layer goes on (DINO); not once for both.
  bool two_readings = false;
  RefinementKeys keys = {};
};

/// RT-DETR's: a perceptron a layer moves the box of the layer before in the space of its logits. Keys dec_score_head.k
/// and dec_bbox_head.k. With the options above, DINO's.
class LogitRefinement : public BoxRefinement {
 public:
  LogitRefinement(torch::nn::Module& head, const LogitRefinementOptions& options);

  std::unique_ptr<BoxPass> start(const Tensor& reference_logits) const override;
  std::unique_ptr<OnnxBoxPass> start_emit(OnnxBuilder& graph, const OnnxValue& reference) const override;
  void init_weights(double prior) override;
  void keep_layers(torch::nn::Module& head, std::size_t count) override;

 private:
  class Pass;
  class OnnxPass;
  void add_heads(torch::nn::Module& head, std::size_t k);

  LogitRefinementOptions options_;
  std::vector<Linear> score_heads_;  ///< all the same one, if shared; so are the others
  std::vector<Mlp> bbox_heads_;
  LayerNorm norm_{nullptr};  ///< empty without output_norm
};

}  // namespace rtdetr
