// How a model YAML says which decoder it wants: Ultralytics' positional arguments, and named options on top of a
// variant.
#include <algorithm>

#include "models/graph/registry.h"
#include "models/heads/detr/decoder.h"

namespace rtdetr {
namespace {

/// D-FINE's decoder is RT-DETRv2's but for these.
void become_dfine(DecoderOptions& o) {
  o.boxes = DecoderOptions::Boxes::kDistributions;
  o.gate = true;
  o.attention_projections = false;
  o.identity_projection = true;
  o.clamp_output = true;
  o.position_limit = 10;
  o.denoising.mirror = true;
}

/// DEIMv2's is D-FINE's but for these.
void become_deimv2(DecoderOptions& o) {
  become_dfine(o);
  o.token_norm = TokenNormKind::kRms;
  o.swish_ffn = true;
  o.one_position = true;
  o.encoder_output = false;
  o.equal_heads = true;
}

bool has_distributions(const Arguments& args) {
  return args.text("variant") == "dfine" || args.text("variant") == "deimv2";
}

/// DINO's, told from RT-DETR's.
void become_dino(DecoderOptions& o) {
  o.keys = DecoderOptions::Keys::kDino;
  o.points_scale_buffer = false;
  o.encoder_layers = 6;
  o.group_norm = o.sine_position = o.shared_heads = o.output_norm = o.two_readings = true;
  o.reference_epsilon = o.denoising.logit_epsilon = 1e-3;
  o.denoising.padding = DenoisingOptions::Padding::kZero;
  o.denoising.empty_batch = DenoisingOptions::EmptyBatch::kZeroGradient;
}

DecoderOptions variant_options(const std::string& variant) {
  DecoderOptions o;  // RT-DETRv2
  if (variant == "dfine") {
    become_dfine(o);
  } else if (variant == "deimv2") {
    become_deimv2(o);
  } else if (variant == "dino") {
    become_dino(o);
  } else if (variant == "v1") {
    o.keys = DecoderOptions::Keys::kV1;
    o.clamp_output = true;
    o.xavier_projections = o.xavier_ffn = o.points_scale_buffer = false;
  } else if (variant == "ultralytics") {
    o.keys = DecoderOptions::Keys::kUltralytics;
    o.xavier_ffn = o.points_scale_buffer = false;
    o.denoising.padding = DenoisingOptions::Padding::kZero;
    o.denoising.logit_epsilon = 1e-6;
    o.denoising.clamp_before_logit = true;
  }
  return o;
}

std::vector<std::int64_t> points_per_level(const RowContext& row) {
  std::vector<std::int64_t> points = row.args.integers("ndp");
  if (points.size() == 1)
    points.resize(std::max<std::size_t>(row.inputs.size(), row.args.integer("levels")), points[0]);
  return points;
}

std::int64_t layers_outside_training(const RowContext& row) {
  const auto layers = row.args.integer("ndl"), index = row.args.integer("eval_idx");
  return index < 0 ? layers + index + 1 : index + 1;
}

void apply_named_options(const Arguments& args, DecoderOptions& o) {
  const auto chosen = [&](const char* name, const char* value) {
    return !args.is_none(name) && args.text(name) == value;
  };
  if (chosen("sampling", "discrete"))
    o.sampling = chosen("discrete_clamp", "fixed") ? SamplingMethod::kDiscrete : SamplingMethod::kDiscreteSquare;
  if (chosen("select", "one2many")) o.selection = QuerySelection::kOneToMany;
  if (chosen("anchors", "fixed")) o.anchors.official_border = false;
  if (chosen("prior", "ultralytics")) o.prior_scales_with_classes = true;
  if (chosen("padding", "class")) o.denoising.padding = DenoisingOptions::Padding::kClass;
  if (chosen("padding", "zero")) o.denoising.padding = DenoisingOptions::Padding::kZero;
  if (chosen("empty_batch", "dummy")) o.denoising.empty_batch = DenoisingOptions::EmptyBatch::kDummyGroup;
  if (chosen("empty_batch", "none")) o.denoising.empty_batch = DenoisingOptions::EmptyBatch::kNone;
  if (chosen("empty_batch", "zero")) o.denoising.empty_batch = DenoisingOptions::EmptyBatch::kZeroGradient;
  if (!args.is_none("clamp_output")) o.clamp_output = args.flag("clamp_output");
  if (!args.is_none("gate")) o.gate = args.flag("gate");
  if (!args.is_none("share_boxes")) o.shared_boxes = args.flag("share_boxes");
  if (!args.is_none("reg_max")) o.distribution.steps = args.integer("reg_max");
  if (!args.is_none("reg_scale")) o.distribution.scale = args.number("reg_scale");
  if (!args.is_none("up")) o.distribution.reach = args.number("up");
  o.head_activation = activation_from_name(args.text("mlp_act"));
  if (!args.is_none("logit_eps")) o.denoising.logit_epsilon = args.number("logit_eps");
}

void apply_encoder_options(const Arguments& args, DecoderOptions& o) {
  const auto set_flag = [&](const char* name, bool& option) {
    if (!args.is_none(name)) option = args.flag(name);
  };
  if (!args.is_none("encoder_layers")) o.encoder_layers = args.integer("encoder_layers");
  o.encoder_ffn = args.integer("encoder_ffn");
  o.position_temperature = args.number("position_temperature");
  o.position_offset = args.number("position_offset");
  if (!args.is_none("input_norm")) o.group_norm = args.text("input_norm") == "group";
  if (!args.is_none("query_position")) o.sine_position = args.text("query_position") == "sine";
  set_flag("shared_heads", o.shared_heads);
  set_flag("output_norm", o.output_norm);
  if (!args.is_none("box_readings")) o.two_readings = args.integer("box_readings") == 2;
  if (!args.is_none("reference_eps")) o.reference_epsilon = args.number("reference_eps");
}

DecoderOptions decoder_options(const RowContext& row) {
  const Arguments& args = row.args;
  DecoderOptions o = variant_options(args.text("variant"));
  for (const FeatureMap& map : row.inputs) o.in_channels.push_back(map.channels);
  o.num_classes = args.integer("nc");
  o.dim = args.integer("hd");
  o.num_queries = args.integer("nq");
  o.heads = args.integer("nh");
  o.layers = args.integer("ndl");
  o.eval_layers = layers_outside_training(row);
  o.ffn_dim = args.integer("d_ffn");
  o.activation = activation_from_name(args.text("act"));
  o.points = points_per_level(row);
  o.learnt_queries = args.flag("learnt_init_query");
  o.two_stage = args.flag("two_stage");
  o.denoising.count = args.integer("nd");
  o.denoising.label_noise_ratio = args.number("label_noise_ratio");
  o.denoising.box_noise_scale = args.number("box_noise_scale");
  o.norm = {row.norm_eps, row.norm_momentum, false};
  apply_named_options(args, o);
  apply_encoder_options(args, o);
  return o;
}

void check_distributions(const Arguments& args) {
  for (const char* const name : {"reg_max", "reg_scale", "up", "gate", "share_boxes"}) {
    if (!has_distributions(args) && !args.is_none(name))
      refuse(std::string(name) + " is of the decoders with distributions, variant: dfine or deimv2; variant " +
             args.text("variant") + " has none, so leave it out");
  }
  for (const char* const name : {"shared_heads", "output_norm", "box_readings", "reference_eps"}) {
    if (has_distributions(args) && !args.is_none(name))
      refuse(std::string(name) + " is of decoders that move boxes by logits; variant " + args.text("variant") +
             " has distributions, so leave it out");
  }
  if (!args.is_none("reg_max") && args.integer("reg_max") % 2 != 0)
    refuse("reg_max must be even, found " + std::to_string(args.integer("reg_max")));
}

void check_stages(const Arguments& args) {
  if (args.flag("two_stage")) return;
  for (const auto& [name, usual] : {std::pair("select", "default"), std::pair("anchors", "official")}) {
    if (args.text(name) != usual)
      refuse(std::string(name) + " says how tokens are selected; with two_stage: false none are, so leave it out");
  }
}

void check_widths(const RowContext& row) {
  const Arguments& args = row.args;
  const DecoderOptions options = decoder_options(row);
  if (options.dim % 4 != 0 && (options.sine_position || options.encoder_layers > 0))
    refuse("hd must be a multiple of 4 for positions of sines, found " + std::to_string(options.dim));
  if (args.text("variant") == "deimv2" && options.ffn_dim % 2 != 0)
    refuse("d_ffn must be even, half of it is a gate; found " + std::to_string(options.ffn_dim));
}

void check_decoder(const RowContext& row) {
  const Arguments& args = row.args;
  check_class_count(row);
  if (args.integer("hd") % args.integer("nh") != 0)
    refuse("hd (" + std::to_string(args.integer("hd")) + ") must be a multiple of nh (" +
           std::to_string(args.integer("nh")) + " heads); note that the second positional argument is hd, not nq");
  const auto points = points_per_level(row);
  if (points.size() < row.inputs.size() || points.size() > kMaxLevels)
    refuse("ndp must be one number or one per level, found " + std::to_string(points.size()) + " for " +
           std::to_string(row.inputs.size()) + " maps (at most " + std::to_string(kMaxLevels) + " levels)");
  if (const auto levels = args.integer("levels"); levels > 0 && levels != std::ssize(points))
    refuse("levels is " + std::to_string(levels) + ", and ndp and the maps make " + std::to_string(points.size()));
  const auto layers = layers_outside_training(row);
  if (layers < 1 || layers > args.integer("ndl"))
    refuse("eval_idx must name one of the " + std::to_string(args.integer("ndl")) + " layers, found " +
           std::to_string(args.integer("eval_idx")));
  check_widths(row);
  check_distributions(args);
  check_stages(args);
  if (args.number("dropout") != 0) refuse("dropout must be 0: the published recipes use none");
}

std::vector<ArgumentSpec> positional_arguments() {
  return {
      integer_argument("nc", "number of classes").range(1, 1'000'000),
      integer_argument("hd", "width of queries and tokens").alias("dim").fallback(256).range(4, 8192),
      integer_argument("nq", "queries").alias("queries").fallback(300).range(1, 100'000),
      integers_argument("ndp", "sampling points per level, one number or a list")
          .alias("points")
          .fallback(ArgumentValue(std::vector<std::int64_t>{4}))
          .range(1, 64),
      integer_argument("nh", "attention heads").alias("heads").fallback(8).range(1, 256),
      integer_argument("ndl", "decoder layers").alias("layers").fallback(6).range(1, 64),
      integer_argument("d_ffn", "hidden width of the feed-forward part").alias("ffn").fallback(1024).range(1, 65536),
      number_argument("dropout", "only 0 is offered").fallback(ArgumentValue(0.0)).range(0, 1),
      activation_argument("act", "activation of the feed-forward part").fallback(ArgumentValue("relu")),
      integer_argument("eval_idx", "last layer that runs outside training, -1 = the last").fallback(-1).range(-64, 63),
      integer_argument("nd", "denoising queries (positives) per image, 0 = none")
          .alias("denoising")
          .fallback(100)
          .range(0, 100'000),
      number_argument("label_noise_ratio", "twice the probability that a denoising label is redrawn")
          .alias("label_noise")
          .fallback(ArgumentValue(0.5))
          .range(0, 1),
      number_argument("box_noise_scale", "how far denoising boxes move, in half sides")
          .alias("box_noise")
          .fallback(ArgumentValue(1.0))
          .range(0, 10),
      flag_argument("learnt_init_query", "learnt queries instead of the selected tokens' features")
          .alias("learnt_queries")
          .fallback(ArgumentValue(false))};
}

std::vector<ArgumentSpec> query_options() {
  return {text_argument("variant", "whose keys and details: the options below change single ones",
                        {"ultralytics", "v1", "v2", "dfine", "deimv2", "dino"})
              .fallback(ArgumentValue("ultralytics"))
              .named_only(),
          integer_argument("levels", "levels; more than maps adds stride-2 ones")
              .fallback(0)
              .range(0, kMaxLevels)
              .named_only(),
          text_argument("sampling", "how values are read between cells", {"bilinear", "discrete"})
              .fallback(ArgumentValue("bilinear"))
              .named_only(),
          text_argument("discrete_clamp", "official clamps columns by the height (wrong on wide maps)",
                        {"official", "fixed"})
              .fallback(ArgumentValue("official"))
              .named_only(),
          text_argument("select", "query selection: best class per token, or best (token, class) pairs",
                        {"default", "one2many"})
              .fallback(ArgumentValue("default"))
              .named_only(),
          flag_argument("two_stage", "queries begin with the encoder's best tokens; false: they are learnt")
              .fallback(ArgumentValue(true))
              .named_only(),
          text_argument("anchors", "official: anchors near the border are infinite and their tokens blank",
                        {"official", "fixed"})
              .fallback(ArgumentValue("official"))
              .named_only(),
          text_argument("prior", "initial score bias: fixed -4.595, or scaled by nc / 80", {"fixed", "ultralytics"})
              .fallback(ArgumentValue("fixed"))
              .named_only()};
}

std::vector<ArgumentSpec> training_options() {
  const ArgumentValue by_variant = std::monostate{};
  return {text_argument("padding", "denoising slots without a box: an embedded class, or zeros", {"class", "zero"})
              .fallback(by_variant)
              .named_only(),
          text_argument("empty_batch",
                        "a batch without boxes: one dummy denoising group, or none; zero: none, and a gradient of 0",
                        {"dummy", "none", "zero"})
              .fallback(by_variant)
              .named_only(),
          number_argument("logit_eps", "of the denoising boxes' inverse sigmoid")
              .fallback(by_variant)
              .range(1e-12, 0.1)
              .named_only()};
}

std::vector<ArgumentSpec> box_options() {
  const ArgumentValue by_variant = std::monostate{};
  return {
      flag_argument("clamp_output", "clamp layers to float16's range before the last norm (v1)")
          .fallback(by_variant)
          .named_only(),
      activation_argument("mlp_act", "activation of the perceptrons of positions and boxes")
          .fallback("relu")
          .named_only(),
      flag_argument("gate", "dfine, deimv2: a gate behind the attention into the maps (true), or a sum and a norm")
          .fallback(by_variant)
          .named_only(),
      flag_argument("share_boxes", "dfine, deimv2: one perceptron moves the boxes of all layers (false)")
          .fallback(by_variant)
          .named_only(),
      integer_argument("reg_max", "steps of the sides' distributions, even; of dfine and deimv2 alone, 32")
          .fallback(by_variant)
          .range(4, 1024)
          .named_only(),
      number_argument("reg_scale",
                      "parts of the reference's side in which deviations count; more are denser around 0 (dfine, 4)")
          .fallback(by_variant)
          .range(0.1, 64)
          .named_only(),
      number_argument("up", "inner bins end at so many sides, the outermost at twice that (dfine, 0.5)")
          .fallback(by_variant)
          .range(0.01, 4)
          .named_only()};
}

/// By which DINO differs from RT-DETR.
std::vector<ArgumentSpec> encoder_options() {
  const ArgumentValue by_variant = std::monostate{};
  return {
      integer_argument("encoder_layers", "layers of a deformable encoder in front of query selection (dino, 6)")
          .fallback(by_variant)
          .range(0, 64)
          .named_only(),
      integer_argument("encoder_ffn", "hidden width of its feed-forward part")
          .fallback(2048)
          .range(1, 65536)
          .named_only(),
      number_argument("position_temperature", "of its positions' sines")
          .fallback(ArgumentValue(20.0))
          .range(1, 1e6)
          .named_only(),
      number_argument("position_offset", "of its positions' counts of rows and columns")
          .fallback(ArgumentValue(0.0))
          .range(-1, 1)
          .named_only(),
      text_argument("input_norm", "of the input projections; group: with a bias (dino)", {"batch", "group"})
          .fallback(by_variant)
          .named_only(),
      text_argument("query_position", "read from the box, or from sines of it (dino)", {"box", "sine"})
          .fallback(by_variant)
          .named_only(),
      flag_argument("shared_heads", "one pair of score and box heads for all layers (dino, true)")
          .fallback(by_variant)
          .named_only(),
      flag_argument("output_norm", "a norm between layers and heads (dino, true)").fallback(by_variant).named_only(),
      integer_argument("box_readings", "2: the box head is read apart for the next layer (dino)")
          .fallback(by_variant)
          .range(1, 2)
          .named_only(),
      number_argument("reference_eps", "of the boxes' inverse sigmoid between layers, 1e-5 (dino, 1e-3)")
          .fallback(by_variant)
          .range(1e-12, 0.1)
          .named_only()};
}

}  // namespace

void register_decoder_blocks(Registry& registry) {
  std::vector<ArgumentSpec> arguments = positional_arguments();
  for (const auto options : {query_options, training_options, box_options, encoder_options}) {
    for (ArgumentSpec& option : options()) arguments.push_back(std::move(option));
  }
  registry.add(
      {.name = "RTDETRDecoder",
       .summary = "query selection and decoder of RT-DETR v1, v2, Ultralytics, D-FINE, DEIMv2 and DINO; the last row",
       .arguments = std::move(arguments),
       .many_inputs = true,
       .build_head = [](const RowContext& row) -> HeadPtr { return RTDETRDecoder(decoder_options(row)).ptr(); },
       .check_head = check_decoder,
       .overridden = {.queries = "queries", .depth = "layers", .last_layer = "eval_idx"}});
}

}  // namespace rtdetr
