#include <catch2/catch.hpp>

#include "models/heads/detr/decoder.h"
#include "tests/models/tiny_model.h"

/// What a model file says of its decoder arrives there.
namespace rtdetr {
namespace {

DecoderOptions options_of(const std::string& named) {
  std::string text = test::kTinyModel;
  text.replace(text.find("variant: v2"), std::string("variant: v2").size(), named);
  const DetectionModel model = build_model(parse_model_spec(text, "tiny.yaml"), {.shapes_only = true});
  return dynamic_cast<const RTDETRDecoderImpl&>(model->head()).options();
}

std::vector<std::string> criteria_of(const std::string& variant) {
  std::string text = test::kTinyModel;
  text.replace(text.find("variant: v2"), std::string("variant: v2").size(), "variant: " + variant);
  return build_model(parse_model_spec(text, "tiny.yaml"), {.shapes_only = true})->head().criteria();
}

}  // namespace

TEST_CASE("options of the denoising queries in a model file reach the decoder") {
  const DenoisingOptions plain = options_of("variant: v2").denoising;
  CHECK(plain.count == 6);
  CHECK(plain.label_noise_ratio == 0.5);
  CHECK(plain.box_noise_scale == 1.0);
  const DenoisingOptions other =
      options_of("variant: v2, label_noise: 0.2, box_noise: 0.4, padding: zero, empty_batch: none, logit_eps: 0.001")
          .denoising;
  CHECK(other.label_noise_ratio == 0.2);
  CHECK(other.box_noise_scale == 0.4);
  CHECK(other.padding == DenoisingOptions::Padding::kZero);
  CHECK(other.empty_batch == DenoisingOptions::EmptyBatch::kNone);
  CHECK(other.logit_epsilon == 0.001);
}

TEST_CASE("options of selection, sampling and anchors in a model file reach the decoder") {
  const DecoderOptions plain = options_of("variant: v2");
  CHECK(plain.sampling == SamplingMethod::kBilinear);
  CHECK(plain.selection == QuerySelection::kBestClass);
  CHECK(plain.anchors.official_border);
  CHECK(plain.two_stage);
  CHECK_FALSE(options_of("variant: v2, two_stage: false").two_stage);
  CHECK_THROWS_WITH(options_of("two_stage: false, select: one2many"), Catch::Contains("select says how tokens are"));
  CHECK_THROWS_WITH(options_of("two_stage: false, anchors: fixed"), Catch::Contains("anchors says how tokens are"));
  const DecoderOptions other = options_of(
      "variant: v2, sampling: discrete, discrete_clamp: fixed, select: one2many, anchors: fixed, prior: ultralytics, "
      "clamp_output: true, learnt_queries: true");
  CHECK(other.sampling == SamplingMethod::kDiscrete);
  CHECK(other.selection == QuerySelection::kOneToMany);
  CHECK_FALSE(other.anchors.official_border);
  CHECK(other.prior_scales_with_classes);
  CHECK(other.clamp_output);
  CHECK(other.learnt_queries);
}

TEST_CASE("a decoder's variant says with which loss it was published") {
  const std::vector<std::string> official{"official", "ultralytics"}, theirs{"ultralytics", "official"};
  CHECK(criteria_of("v1") == official);
  CHECK(criteria_of("v2") == official);
  CHECK(criteria_of("ultralytics") == theirs);
  CHECK(criteria_of("dfine") == std::vector<std::string>{"dfine"});
  CHECK(criteria_of("deimv2") == std::vector<std::string>{"dfine"});
}

TEST_CASE("DINO's decoder is RT-DETR's with an encoder and heads of another kind, each of which may be set alone") {
  const DecoderOptions dino = options_of("variant: dino, input_norm: batch");
  CHECK(dino.encoder_layers == 6);
  CHECK(dino.sine_position);
  CHECK(dino.shared_heads);
  CHECK(dino.output_norm);
  CHECK(dino.two_readings);
  CHECK(dino.reference_epsilon == 1e-3);
  CHECK(dino.denoising.logit_epsilon == 1e-3);
  CHECK(dino.denoising.empty_batch == DenoisingOptions::EmptyBatch::kZeroGradient);
  CHECK(criteria_of("dino, input_norm: batch").front() == "dino");
  const DecoderOptions hybrid = options_of(
      "variant: v2, encoder_layers: 2, encoder_ffn: 48, position_temperature: 10000, position_offset: -0.5, "
      "query_position: sine, shared_heads: true, output_norm: true, box_readings: 2, reference_eps: 0.01");
  CHECK(hybrid.encoder_layers == 2);
  CHECK(hybrid.encoder_ffn == 48);
  CHECK(hybrid.position_temperature == 10000);
  CHECK(hybrid.position_offset == -0.5);
  CHECK(hybrid.sine_position);
  CHECK(hybrid.shared_heads);
  CHECK(hybrid.output_norm);
  CHECK(hybrid.two_readings);
  CHECK(hybrid.reference_epsilon == 0.01);
  CHECK_FALSE(hybrid.group_norm);
  CHECK(options_of("variant: dino, encoder_layers: 0, input_norm: batch").encoder_layers == 0);
  CHECK_THROWS_WITH(options_of("variant: dfine, box_readings: 2"), Catch::Contains("box_readings is of decoders"));
  CHECK_THROWS_WITH(options_of("variant: dino"), Catch::Contains("32 groups"));
}

TEST_CASE("D-FINE's decoder is v2's with distributions, a gate and no projections, and its numbers arrive") {
  const DecoderOptions plain = options_of("variant: dfine");
  CHECK(plain.boxes == DecoderOptions::Boxes::kDistributions);
  CHECK(plain.gate);
  CHECK_FALSE(plain.attention_projections);
  CHECK(plain.denoising.mirror);
  CHECK(plain.distribution.corners() == 132);
  const DecoderOptions other = options_of("variant: dfine, reg_max: 16, reg_scale: 8, up: 0.25, mlp_act: silu");
  CHECK(other.distribution.bins() == 17);
  CHECK(other.distribution.scale == 8);
  CHECK(other.distribution.reach == 0.25);
  CHECK(other.head_activation == Activation::kSilu);
  CHECK_THROWS_WITH(options_of("variant: dfine, reg_max: 15"), Catch::Contains("reg_max must be even"));
  for (const std::string other_variant : {"v1", "v2", "ultralytics"}) {
    for (const std::string option : {"reg_max: 32", "reg_scale: 4", "up: 0.5", "gate: true", "share_boxes: true"})
      CHECK_THROWS_WITH(options_of("variant: " + other_variant + ", " + option),
                        Catch::Contains("variant " + other_variant + " has none"));
  }
}

TEST_CASE(
    "DEIMv2's decoder is D-FINE's with RMS norms, SwiGLU and one position; gate and boxes of its own are options") {
  const DecoderOptions plain = options_of("variant: deimv2");
  CHECK(plain.boxes == DecoderOptions::Boxes::kDistributions);
  CHECK(plain.denoising.mirror);
  CHECK(plain.token_norm == TokenNormKind::kRms);
  CHECK(plain.swish_ffn);
  CHECK(plain.one_position);
  CHECK_FALSE(plain.encoder_output);
  CHECK(plain.equal_heads);
  CHECK(plain.gate);
  CHECK_FALSE(plain.shared_boxes);
  const DecoderOptions other = options_of("variant: deimv2, gate: false, share_boxes: true, reg_max: 16");
  CHECK_FALSE(other.gate);
  CHECK(other.shared_boxes);
  CHECK(other.distribution.bins() == 17);
}

}  // namespace rtdetr
