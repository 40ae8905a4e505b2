#pragma once

#include <string>
#include <vector>

#include <torch/types.h>

#include "core/ops/autocast.h"
#include "core/tensor/distribution_box.h"
#include "models/graph/head.h"
#include "models/heads/detr/box_refinement.h"
#include "models/heads/detr/decoder_layer.h"
#include "models/heads/detr/denoising.h"
#include "models/heads/detr/encoder_layer.h"
#include "models/heads/detr/query_selection.h"
#include "models/heads/detr/token_positions.h"
#include "models/layers/basic.h"
#include "models/layers/block.h"
#include "models/layers/conv.h"
#include "models/layers/mlp.h"
#include "models/layers/recent_tables.h"

namespace rtdetr {

struct OnnxAnchors;

/// What distinguishes the published decoders. The initial values are RT-DETRv2's.
struct DecoderOptions {
  std::vector<std::int64_t> in_channels;  ///< of the maps, finest first
  std::int64_t num_classes = 80;
  std::int64_t dim = 256;
  std::int64_t num_queries = 300;
  std::int64_t heads = 8;
  std::int64_t layers = 6;
  std::int64_t ffn_dim = 1024;
  Activation activation = Activation::kRelu;     ///< of the feed-forward part
  std::vector<std::int64_t> points = {4, 4, 4};  ///< per level; more levels than maps add stride-2 levels
  SamplingMethod sampling = SamplingMethod::kBilinear;
  QuerySelection selection = QuerySelection::kBestClass;
  AnchorOptions anchors;
  std::int64_t eval_layers = 0;  ///< layers that run outside training; 0 = all
  DenoisingOptions denoising;
  bool learnt_queries = false;  ///< a table `tgt_embed` instead of the selected tokens' features
  /// Queries begin with the encoder's best tokens. Otherwise nothing is selected: they have learnt contents, and learnt
  /// boxes `refpoint_embed` (DAB-DETR, arXiv 2201.12329; DINO's `two_stage_type: no`).
  bool two_stage = true;
  bool clamp_output = false;               ///< v1, D-FINE; see DecoderLayerOptions
  bool xavier_projections = true;          ///< input projections start Xavier-uniform (v2, Ultralytics)
  bool xavier_ffn = true;                  ///< and so do the feed-forward parts (v2)
  bool points_scale_buffer = true;         ///< v2's `num_points_scale` in the state
  bool prior_scales_with_classes = false;  ///< Ultralytics: bias -log(99) · C / 80 instead of -log(99)
  BatchNormOptions norm;                   ///< of the input projections

  // D-FINE's.
  enum class Boxes {
    kLogits,         ///< LogitRefinement
    kDistributions,  ///< DistributionRefinement
  } boxes = Boxes::kLogits;
  DistributionOptions distribution;                ///< of kDistributions
  Activation head_activation = Activation::kRelu;  ///< of the perceptrons of positions and boxes
  bool gate = false;                               ///< see DecoderLayerOptions
  bool attention_projections = true;               ///< see DeformableAttentionOptions
  bool identity_projection = false;                ///< a map that has `dim` channels is taken as it is
  double position_limit = 0;                       ///< positions are clamped to ± this; 0 = they are not

  // DEIMv2's.
  TokenNormKind token_norm = TokenNormKind::kLayer;  ///< of the layers
  bool swish_ffn = false;                            ///< see DecoderLayerOptions
  bool one_position = false;   ///< of the first boxes, by three linear layers, for every layer; not two for each
  bool encoder_output = true;  ///< linear layer and norm in front of query selection
  bool equal_heads = false;    ///< see DistributionRefinementOptions
  bool shared_boxes = false;   ///< see DistributionRefinementOptions

  // DINO's.
  std::int64_t encoder_layers =
      0;  ///< EncoderLayers over the tokens of all maps, in front of query selection; 0 = none
  std::int64_t encoder_ffn = 2048;                        ///< hidden width of their feed-forward part
  double position_temperature = 20, position_offset = 0;  ///< of their positions, see SineOptions
  bool group_norm = false;                                ///< input projections are ConvGroupNorms
  bool sine_position = false;  ///< the perceptron of positions reads sines of the box rather than the box
  bool shared_heads = false;   ///< this and the next three: see LogitRefinementOptions
  bool output_norm = false;
  bool two_readings = false;
  double reference_epsilon = kLeastShare;

  /// Names in the state; see DecoderNames (decoder_build.cpp).
  enum class Keys {
    kV1,           ///< input_proj.k.{conv,norm}; enc_output.{0,1}
    kV2,           ///< input_proj.k.{conv,norm}; enc_output.{proj,norm}
    kUltralytics,  ///< input_proj.k.{0,1};       enc_output.{0,1}
    kDino,         ///< transformer.…, norms of a layer in its order, initial weights Xavier-uniform as there
  } keys = Keys::kV2;
};

/// RT-DETR's decoder (arXiv 2304.08069 §4.3, 2407.17140): the encoder's best tokens become queries (but see
/// DecoderOptions::two_stage), and each layer refines their boxes. One class for v1, v2, Ultralytics, D-FINE, DEIMv2
/// and DINO; see DecoderOptions for the differences.
class RTDETRDecoderImpl : public Head, public InitializesWeights, public Fusable, public HoldsConstants {
 public:
  explicit RTDETRDecoderImpl(DecoderOptions options);

  /// @param maps  one [B, C_l, H_l, W_l] per input, finest first
  /// @note        boxes and their refinement stay float32 (float64 in a float64 model) under autocast
  /// @throws ConfigError  if options.decoder_layers exceeds the model's
  ModelOutput forward(const std::vector<Tensor>& maps, const ForwardOptions& options) override;

  OnnxPrediction emit(OnnxBuilder& graph, const std::vector<OnnxValue>& maps,
                      const OnnxHeadOptions& options) const override;

  std::int64_t num_layers() const override { return static_cast<std::int64_t>(layers_.size()); }
  std::int64_t usual_layers() const override { return options_.eval_layers; }
  std::int64_t num_queries() const override { return options_.num_queries; }
  bool has_learnt_queries() const override { return options_.learnt_queries; }
  bool leaves_out_padding() const override { return options_.encoder_layers > 0; }
  std::vector<HeadLayer> layers() const override;  ///< the encoder's selection, if there is one, then the decoder's
  std::vector<Detections> postprocess(const Prediction& prediction, std::span<const PictureSize> sizes,
                                      const PostprocessOptions& options) const override;
  std::vector<std::string> criteria() const override;
  const DecoderOptions& options() const { return options_; }
  Deployment deployment() const override;
  double spared_operations(std::int64_t tokens) const override;

  void init_weights(const WeightDraws& draws) override;
  std::vector<StateConstant> constants() const override { return refinement_->constants(); }

  /// Drops what only training needs: the denoising embedding and the layers that do not run outside it.
  void fuse() override;
  std::int64_t deployed_parameters(Deployment deployment) const override;

 private:
  struct Memory {
    Tensor tokens;  ///< [B, S, D]
    std::vector<LevelShape> levels;
    TokenPadding padding;
  };
  struct Queries {
    Tensor content;           ///< [B, N, D]
    Tensor reference_logits;  ///< [B, N, 4], no gradient but that of learnt boxes
    Tensor mask;              ///< of self-attention (models/layers/attention.h); undefined without denoising
    Tensor indices;           ///< [B, Q]; this and the next undefined where nothing is selected
    Prediction encoder;
    DenoisingPairs denoising;
    std::int64_t denoising_slots = 0;  ///< denoising queries with their padding, in front of the others
  };

  struct EncoderTables {
    Tensor positions;  ///< [1 or B, S, D]
    Tensor points;     ///< [1 or B, S, L, 2]
  };

  /// The same two in an ONNX graph.
  struct OnnxMemory {
    OnnxValue tokens;
    std::vector<LevelShape> levels;
    OnnxFreeLevels free_levels;  ///< of a graph of free height and width, whose levels mean nothing
  };
  struct OnnxQueries {
    OnnxValue content;
    OnnxValue reference;     ///< boxes after the sigmoid
    OnnxValue indices;       ///< this and the next without a name where nothing is selected
    OnnxValue token_logits;  ///< [B, S, C], of all tokens
  };
  OnnxValue emit_first_rows(OnnxBuilder& graph, const OnnxMemory& memory) const;
  OnnxMemory emit_memory(OnnxBuilder& graph, const std::vector<OnnxValue>& maps) const;
  OnnxAnchors emit_anchors_of(OnnxBuilder& graph, const OnnxMemory& memory) const;
  OnnxQueries emit_selection(OnnxBuilder& graph, const OnnxMemory& memory) const;
  OnnxQueries emit_learnt_queries(OnnxBuilder& graph, const OnnxMemory& memory) const;
  bool has_parts_of_dino() const;
  OnnxValue emit_encoder(OnnxBuilder& graph, const OnnxMemory& memory, const OnnxSampling& sampling) const;
  OnnxValue emit_position(OnnxBuilder& graph, const OnnxValue& reference) const;
  OnnxValue emit_encoder_output(OnnxBuilder& graph, const OnnxValue& tokens) const;
  OnnxValue emit_indices(OnnxBuilder& graph, const OnnxValue& logits) const;

  void build_input_projections();
  std::unique_ptr<BoxRefinement> make_refinement();
  void build_layers();
  void build_selection();
  void build_tables();
  void build_encoder();
  Memory project(const std::vector<Tensor>& maps, const ForwardOptions& options);
  void encode(Memory& memory, MapProbe* probe);
  EncoderTables encoder_tables(const Memory& memory);
  torch::ScalarType box_type(const Memory& memory) const;
  Tensor encode_output(const Tensor& tokens) {
    return options_.encoder_output ? enc_output_norm_(within_float16(enc_output_proj_(tokens))) : tokens;
  }
  Queries select(const Memory& memory, const Tensor& chosen);
  Queries learnt_queries(const Memory& memory) const;
  void prepend_denoising(Queries& queries, const ForwardOptions& options);
  DenoisingQueries noisy_queries(const ForwardOptions& options, const DenoisingPairs& plan, std::int64_t slots,
                                 const Tensor& like) const;
  Tensor embed_classes(const Tensor& labels) const;
  Tensor embed_position(const Tensor& reference, const Memory& memory);
  Tensor attention_mask(const BlockedPairs& shape, const Tensor& content);
  std::vector<Prediction> decode(const Queries& queries, const Memory& memory, std::int64_t layers, bool every_layer,
                                 BoxPass& boxes);
  std::int64_t layers_to_run(const ForwardOptions& options) const;

  DecoderOptions options_;
  AnchorCache anchors_;
  RecentTables<BlockedPairs, Tensor> masks_;
  std::vector<BlockPtr> input_proj_;  ///< empty where a map is taken as it is
  std::vector<EncoderLayer> encoder_;
  Tensor level_embed_;                                                   ///< [L, D], or undefined without encoder
  RecentTables<std::vector<LevelShape>, EncoderTables> encoder_tables_;  ///< of whole pictures
  Tensor denoising_classes_;  ///< [C or C + 1, D] embedding of denoising queries; undefined without them
  Tensor learnt_queries_;     ///< [Q, D], or undefined
  Tensor learnt_boxes_;       ///< [Q, 4] before the sigmoid, or undefined
  Mlp query_pos_head_{nullptr};
  // All empty without two_stage, the first two without encoder_output:
  Linear enc_output_proj_{nullptr};
  LayerNorm enc_output_norm_{nullptr};
  Linear enc_score_head_{nullptr};
  Mlp enc_bbox_head_{nullptr};
  std::vector<DecoderLayer> layers_;
  std::unique_ptr<BoxRefinement> refinement_;
};
TORCH_MODULE(RTDETRDecoder);

}  // namespace rtdetr
