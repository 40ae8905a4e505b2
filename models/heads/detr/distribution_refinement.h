#pragma once

#include <vector>

#include "core/tensor/distribution_box.h"
#include "models/heads/detr/box_refinement.h"
#include "models/heads/detr/location_quality.h"
#include "models/layers/recent_tables.h"

namespace rtdetr {

struct DistributionRefinementOptions {
  std::int64_t layers = 6, dim = 256, classes = 80;
  DistributionOptions distribution;
  Activation head_activation = Activation::kRelu;     ///< of the perceptrons that move boxes
  Activation quality_activation = Activation::kRelu;  ///< of LocationQuality
  bool equal_heads = false;   ///< the heads of all layers start with the first's weights (DEIMv2)
  bool shared_boxes = false;  ///< one perceptron moves the boxes of all layers: the same tensors under each one's keys
};

/// D-FINE's (arXiv 2410.13842 §4.1, "fine-grained distribution refinement"): the first layer moves the selected box as
/// RT-DETR does; from this initial box on, every layer adds to the logits of four distributions, one a side, whose
/// means say how far the sides deviate from the initial box's. Keys dec_score_head.k, dec_bbox_head.k, pre_bbox_head,
/// decoder.lqe_layers.k, and up, reg_scale, which nothing trains, twice.
class DistributionRefinement : public BoxRefinement {
 public:
  DistributionRefinement(torch::nn::Module& head, const DistributionRefinementOptions& options);

  std::unique_ptr<BoxPass> start(const Tensor& reference_logits) const override;
  std::unique_ptr<OnnxBoxPass> start_emit(OnnxBuilder& graph, const OnnxValue& reference) const override;
  void init_weights(double prior) override;
  void keep_layers(torch::nn::Module& head, std::size_t count) override;
  std::vector<StateConstant> constants() const override;
  std::int64_t idle_parameters() const override;  ///< score heads and quality of all layers but the last

 private:
  class Pass;
  class OnnxPass;

  void add_bbox_head(torch::nn::Module& head, std::size_t k, const DistributionRefinementOptions& options);

  DistributionOptions distribution_;
  bool equal_heads_;
  Tensor bins_;                                        ///< [bins] float64, on the CPU
  mutable RecentTables<std::int64_t, Tensor> tables_;  ///< the same, of the type and on the device of a pass
  std::vector<Linear> score_heads_;
  std::vector<Mlp> bbox_heads_;  ///< all the same one, if shared
  std::vector<LocationQuality> quality_;
  Mlp initial_head_{nullptr};
};

}  // namespace rtdetr
