#include <ATen/Parallel.h>
#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/ops/autocast.h"
#include "core/tensor/distribution_box.h"
#include "models/heads/detr/decoder.h"
#include "models/heads/detr/decoder_layer.h"
#include "models/layers/init.h"

using rtdetr::AutocastScope;
using rtdetr::DecoderOptions;
using rtdetr::DistributionExtras;
using rtdetr::ForwardOptions;
using rtdetr::ModelOutput;
using rtdetr::Precision;
using rtdetr::Prediction;
using rtdetr::RTDETRDecoder;
using rtdetr::Target;
using torch::Tensor;

namespace {

DecoderOptions small_options() {
  DecoderOptions options;
  options.in_channels = {12, 16, 20};
  options.num_classes = 4;
  options.dim = 16;
  options.num_queries = 9;
  options.heads = 2;
  options.layers = 3;
  options.ffn_dim = 24;
  options.denoising.count = 6;
  return options;
}

/// D-FINE's decoder.
DecoderOptions distribution_options() {
  DecoderOptions options = small_options();
  options.boxes = DecoderOptions::Boxes::kDistributions;
  options.gate = options.clamp_output = options.denoising.mirror = true;
  options.attention_projections = false;
  options.position_limit = 10;
  return options;
}

/// Initial weights, then a nudge: zero-initialised heads would hide most of what these tests look at.
RTDETRDecoder build(const DecoderOptions& options) {
  at::set_num_threads(1);
  RTDETRDecoder decoder(options);
  rtdetr::initialize_weights(*decoder, 3);
  torch::manual_seed(5);
  const torch::NoGradGuard no_grad;
  for (Tensor& parameter : decoder->parameters()) {
    if (parameter.is_floating_point()) parameter.add_(torch::randn_like(parameter), 0.05);  // the others are constants
  }
  decoder->to(torch::kFloat64);
  decoder->eval();
  return decoder;
}

std::vector<Tensor> make_maps(std::int64_t batch, std::uint64_t seed = 11) {
  torch::manual_seed(seed);
  return {torch::randn({batch, 12, 6, 8}, torch::kFloat64), torch::randn({batch, 16, 3, 4}, torch::kFloat64),
          torch::randn({batch, 20, 2, 2}, torch::kFloat64)};
}

Target target(std::vector<double> boxes) {
  const auto count = static_cast<std::int64_t>(boxes.size() / 4);
  return {torch::arange(count, torch::kInt64), torch::tensor(boxes, torch::kFloat64).view({count, 4})};
}

ModelOutput train_pass(RTDETRDecoder& decoder, const std::vector<Tensor>& maps, const std::vector<Target>& targets,
                       std::uint64_t seed = 1, bool repeat_shapes = false) {
  ForwardOptions options;
  options.targets = targets;
  options.repeat_shapes = repeat_shapes;
  options.generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return decoder->forward(maps, options);
}

Tensor sum_of(const ModelOutput& output) {
  Tensor sum = output.encoder.logits.sum() + output.encoder.boxes_cxcywh.sum();
  for (const auto* list : {&output.layers, &output.denoising}) {
    for (const auto& layer : *list) sum = sum + layer.logits.sum() + layer.boxes_cxcywh.square().sum();
  }
  return sum;
}

std::vector<std::string> without_gradient(RTDETRDecoder& decoder) {
  std::vector<std::string> names;
  for (const auto& parameter : decoder->named_parameters()) {
    if (parameter.value().requires_grad() && !parameter.value().grad().defined()) names.push_back(parameter.key());
  }
  return names;
}

}  // namespace

TEST_CASE("the decoder cut at layer k gives what layer k gives in a whole pass") {
  RTDETRDecoder decoder = build(GENERATE(small_options(), distribution_options()));
  const torch::NoGradGuard no_grad;
  const auto maps = make_maps(2);
  ForwardOptions all;
  all.all_layers = true;
  const ModelOutput whole = decoder->forward(maps, all);
  REQUIRE(whole.layers.size() == 3);
  for (std::int64_t k = 1; k <= 3; ++k) {
    ForwardOptions cut;
    cut.decoder_layers = k;
    const ModelOutput output = decoder->forward(maps, cut);
    REQUIRE(output.layers.size() == 1);
    CHECK(torch::equal(output.layers[0].logits, whole.layers[k - 1].logits));
    CHECK(torch::equal(output.layers[0].boxes_cxcywh, whole.layers[k - 1].boxes_cxcywh));
  }
  CHECK(torch::equal(decoder->forward(maps, {}).layers[0].logits, whole.layers[2].logits));
}

TEST_CASE("a decoder that refines distributions keeps those of the layers that predict, and no others") {
  RTDETRDecoder decoder = build(distribution_options());
  const auto maps = make_maps(2);
  const auto kept = [&](const ForwardOptions& options) {
    const ModelOutput output = decoder->forward(maps, options);
    return dynamic_cast<const DistributionExtras&>(*output.extras).corners.size();
  };
  CHECK(kept({}) == 1);
  CHECK(kept({.decoder_layers = 2}) == 1);
  CHECK(kept({.all_layers = true}) == 3);
  const std::vector<Target> targets{target({0.5, 0.5, 0.2, 0.2}), target({})};
  const ModelOutput output = train_pass(decoder, maps, targets);
  CHECK(dynamic_cast<const DistributionExtras&>(*output.extras).corners.size() == 3);
}

TEST_CASE("layers behind eval_idx train; after that they do not run, and fusing leaves them out") {
  DecoderOptions options = GENERATE(small_options(), distribution_options());
  options.eval_layers = 2;
  RTDETRDecoder decoder = build(options);
  const auto maps = make_maps(2);
  CHECK(train_pass(decoder, maps, {target({0.5, 0.5, 0.2, 0.2}), target({})}).layers.size() == 3);
  const torch::NoGradGuard no_grad;
  const Prediction second = decoder->forward(maps, {.decoder_layers = 2}).layers.back();
  CHECK(torch::equal(decoder->forward(maps, {}).layers.back().boxes_cxcywh, second.boxes_cxcywh));
  CHECK(decoder->forward(maps, {.all_layers = true}).layers.size() == 3);  // each is evaluated all the same
  decoder->fuse();
  CHECK(decoder->num_layers() == 2);
  CHECK(torch::equal(decoder->forward(maps, {}).layers.back().logits, second.logits));
}

TEST_CASE("queries that make shapes repeat change no prediction and no gradient") {
  const auto maps = make_maps(2);
  using Padding = rtdetr::DenoisingOptions::Padding;
  for (const Padding padding : {Padding::kClass, Padding::kZero}) {
    DecoderOptions decoder_options = small_options();
    decoder_options.denoising.count = 7;
    decoder_options.denoising.padding = padding;
    RTDETRDecoder plain = build(decoder_options), padded = build(decoder_options);
    const std::vector<Target> targets{target({0.5, 0.5, 0.3, 0.2, 0.2, 0.3, 0.1, 0.2, 0.7, 0.4, 0.2, 0.2}), target({})};
    const ModelOutput wanted = train_pass(plain, maps, targets), found = train_pass(padded, maps, targets, 1, true);
    REQUIRE(wanted.denoising_pairs.queries == 12);  // of 14
    REQUIRE(found.denoising.size() == wanted.denoising.size());
    for (std::size_t k = 0; k < wanted.layers.size(); ++k) {
      CHECK(torch::allclose(found.layers[k].logits, wanted.layers[k].logits, 1e-10, 1e-12));
      CHECK(torch::allclose(found.denoising[k].logits, wanted.denoising[k].logits, 1e-10, 1e-12));
      CHECK(torch::allclose(found.denoising[k].boxes_cxcywh, wanted.denoising[k].boxes_cxcywh, 1e-10, 1e-12));
    }
    sum_of(wanted).backward();
    sum_of(found).backward();
    const auto others = padded->named_parameters();
    for (const auto& parameter : plain->named_parameters()) {
      if (!parameter.value().grad().defined()) continue;
      INFO(parameter.key());
      CHECK(torch::allclose(others[parameter.key()].grad(), parameter.value().grad(), 1e-9, 1e-11));
    }
  }
}

TEST_CASE("a batch of two is two batches of one") {
  RTDETRDecoder decoder = build(small_options());
  const torch::NoGradGuard no_grad;
  const auto maps = make_maps(2);
  const ModelOutput both = decoder->forward(maps, {});
  for (std::int64_t b = 0; b < 2; ++b) {
    std::vector<Tensor> one;
    for (const Tensor& map : maps) one.push_back(map.narrow(0, b, 1));
    const ModelOutput single = decoder->forward(one, {});
    CHECK(torch::equal(single.topk_indices[0], both.topk_indices[b]));
    CHECK(torch::allclose(single.layers[0].logits[0], both.layers[0].logits[b], 0, 1e-12));
    CHECK(torch::allclose(single.layers[0].boxes_cxcywh[0], both.layers[0].boxes_cxcywh[b], 0, 1e-12));
  }
}

TEST_CASE("a decoder layer does not know the order of its queries") {
  const torch::NoGradGuard no_grad;
  rtdetr::DecoderLayerOptions options;
  options.attention.dim = 16;
  options.attention.heads = 2;
  options.attention.points = {2, 3};
  options.ffn_dim = 24;
  rtdetr::DecoderLayer layer(options);
  rtdetr::initialize_weights(*layer, 3);
  layer->to(torch::kFloat64);
  torch::manual_seed(4);
  const std::vector<rtdetr::LevelShape> levels{{6, 5}, {3, 2}};
  const auto random = [](at::IntArrayRef shape) { return torch::rand(shape, torch::kFloat64); };
  const Tensor content = random({2, 7, 16}), position = random({2, 7, 16}), reference = random({2, 7, 4}),
               memory = random({2, 36, 16});
  const Tensor order = torch::randperm(7);
  const auto in_order = [&](const Tensor& x) { return x.index_select(1, order); };
  const Tensor plain = layer->forward(content, position, reference, memory, levels, Tensor());
  const Tensor permuted =
      layer->forward(in_order(content), in_order(position), in_order(reference), memory, levels, Tensor());
  CHECK((in_order(plain) - permuted).abs().max().item<double>() < 1e-13);
}

TEST_CASE("training gives matching and denoising predictions of every layer") {
  RTDETRDecoder decoder = build(small_options());
  const std::vector<Target> targets = {target({0.5, 0.5, 0.2, 0.2}), target({0.3, 0.3, 0.2, 0.2, 0.6, 0.6, 0.3, 0.1})};
  const ModelOutput output = train_pass(decoder, make_maps(2), targets);
  REQUIRE(output.layers.size() == 3);
  REQUIRE(output.denoising.size() == 3);
  CHECK(output.denoising_pairs.groups == 3);
  CHECK(output.layers[2].logits.sizes() == torch::IntArrayRef({2, 9, 4}));
  CHECK(output.denoising[2].boxes_cxcywh.sizes() == torch::IntArrayRef({2, 12, 4}));
  CHECK(output.encoder.logits.sizes() == torch::IntArrayRef({2, 9, 4}));
}

TEST_CASE("denoising queries do not change what the matching queries predict") {
  RTDETRDecoder decoder = build(small_options());
  const torch::NoGradGuard no_grad;
  const auto maps = make_maps(1);
  ForwardOptions all;
  all.all_layers = true;
  const ModelOutput alone = decoder->forward(maps, all);
  const ModelOutput with = train_pass(decoder, maps, {target({0.5, 0.5, 0.2, 0.2})});
  for (std::size_t k = 0; k < 3; ++k) {
    CHECK(torch::allclose(alone.layers[k].logits, with.layers[k].logits, 0, 1e-12));
    CHECK(torch::allclose(alone.layers[k].boxes_cxcywh, with.layers[k].boxes_cxcywh, 0, 1e-12));
  }
}

TEST_CASE("every parameter gets a gradient, also when no picture has a box") {
  DecoderOptions options = small_options();
  const auto keys = GENERATE(DecoderOptions::Keys::kV2, DecoderOptions::Keys::kUltralytics);
  options.keys = keys;
  if (keys == DecoderOptions::Keys::kUltralytics) options.denoising.padding = rtdetr::DenoisingOptions::Padding::kZero;
  RTDETRDecoder decoder = build(options);
  const std::vector<Target> targets = GENERATE(std::vector<Target>{target({0.5, 0.5, 0.2, 0.2}), target({})},
                                               std::vector<Target>{target({}), target({})});
  sum_of(train_pass(decoder, make_maps(2), targets)).backward();
  CHECK(without_gradient(decoder) == std::vector<std::string>{});
}

TEST_CASE("scoring all tokens without gradients and the selected ones again gives the plain form's gradients") {
  DecoderOptions options = small_options();
  options.layers = 1;
  RTDETRDecoder decoder = build(options);
  auto maps = make_maps(1);
  maps[0].set_requires_grad(true);
  const ModelOutput output = train_pass(decoder, maps, {target({})});
  (output.encoder.logits.square().sum() + output.encoder.boxes_cxcywh.sum()).backward();

  // The plain form by finite differences: one number of a map that feeds a selected token.
  const auto token = output.topk_indices[0].masked_select(output.topk_indices[0] < 48)[0].item<std::int64_t>();
  const auto row = token / 8, column = token % 8;
  const auto loss_with = [&](double shift) {
    const torch::NoGradGuard no_grad;
    auto moved = make_maps(1);
    moved[0][0][3][row][column] += shift;
    const ModelOutput o = decoder->forward(moved, {});
    CHECK(torch::equal(o.topk_indices, output.topk_indices));
    return (o.encoder.logits.square().sum() + o.encoder.boxes_cxcywh.sum()).item<double>();
  };
  const double numeric = (loss_with(1e-6) - loss_with(-1e-6)) / 2e-6;
  CHECK(maps[0].grad()[0][3][row][column].item<double>() == Approx(numeric).epsilon(1e-6));
}

TEST_CASE("queries and their boxes start as constants: the layers' losses do not reach the selection") {
  RTDETRDecoder decoder = build(small_options());
  const ModelOutput output = train_pass(decoder, make_maps(1), {target({0.5, 0.5, 0.2, 0.2})});
  Tensor sum = torch::zeros({}, torch::kFloat64);
  for (const auto& layer : output.layers) sum = sum + layer.logits.sum() + layer.boxes_cxcywh.square().sum();
  sum.backward();
  std::vector<std::string> reached;
  for (const auto& parameter : decoder->named_parameters()) {
    if (parameter.key().starts_with("enc_") && parameter.value().grad().defined()) reached.push_back(parameter.key());
  }
  CHECK(reached == std::vector<std::string>{});
}

TEST_CASE(
    "without two stages nothing is selected: queries have learnt boxes, which the loss reaches as differences say") {
  const bool distributions = GENERATE(false, true);
  DecoderOptions options = distributions ? distribution_options() : small_options();
  options.two_stage = false;
  RTDETRDecoder decoder = build(options);
  CHECK(decoder->layers().front().number == 1);
  const auto maps = make_maps(2);
  const std::vector<Target> targets{target({0.5, 0.5, 0.2, 0.2}), target({})};
  const auto loss = [&] {
    const ModelOutput output = train_pass(decoder, maps, targets);
    CHECK_FALSE(output.topk_indices.defined());
    CHECK_FALSE(output.encoder.logits.defined());
    REQUIRE(output.layers.size() == 3);
    CHECK(output.layers[0].logits.sizes() == torch::IntArrayRef{2, 9, 4});
    CHECK(output.denoising.size() == 3);
    const Tensor logits = output.layers[0].logits.sum();
    // Distributions are deviations from boxes without a gradient.
    return distributions ? logits : logits + output.layers[0].boxes_cxcywh.square().sum();
  };
  loss().backward();
  Tensor boxes = decoder->named_parameters()["refpoint_embed.weight"];
  for (const auto& parameter : decoder->named_parameters()) CHECK_FALSE(parameter.key().starts_with("enc_"));

  const torch::NoGradGuard no_grad;
  constexpr double kStep = 1e-5;
  for (std::int64_t side = 0; side < 4; ++side) {
    const auto loss_at = [&](double value) {
      boxes[3][side] += value;
      const double found = loss().item<double>();
      boxes[3][side] -= value;
      return found;
    };
    const double slope = (loss_at(kStep) - loss_at(-kStep)) / (2 * kStep);
    CHECK(boxes.grad()[3][side].item<double>() == Approx(slope).epsilon(1e-5).margin(1e-7));
  }
}

TEST_CASE("there are as many queries as tokens if there are fewer tokens") {
  DecoderOptions options = small_options();
  options.num_queries = 500;
  options.learnt_queries = GENERATE(false, true);
  RTDETRDecoder decoder = build(options);
  CHECK(decoder->forward(make_maps(1), {}).layers[0].logits.size(1) == 48 + 12 + 4);
}

TEST_CASE("levels beyond the maps are made by stride-2 convolutions") {
  DecoderOptions options = small_options();
  options.points = {4, 2, 2, 1, 1};
  RTDETRDecoder decoder = build(options);
  const ModelOutput output = decoder->forward(make_maps(1), {});
  CHECK(output.topk_indices.max().item<std::int64_t>() < 48 + 12 + 4 + 1 + 1);
  CHECK(output.layers[0].boxes_cxcywh.isfinite().all().item<bool>());
}

TEST_CASE("fusing drops what only training needs and keeps the predictions") {
  DecoderOptions options = small_options();
  options.eval_layers = 2;
  RTDETRDecoder decoder = build(options);
  const torch::NoGradGuard no_grad;
  const ModelOutput before = decoder->forward(make_maps(1), {});
  rtdetr::fuse_modules(*decoder);
  const ModelOutput after = decoder->forward(make_maps(1), {});
  CHECK(torch::allclose(before.layers[0].logits, after.layers[0].logits, 0, 1e-10));
  CHECK(torch::allclose(before.layers[0].boxes_cxcywh, after.layers[0].boxes_cxcywh, 0, 1e-12));
  CHECK(decoder->num_layers() == 2);
  for (const auto& parameter : decoder->named_parameters()) {
    CHECK(parameter.key().find("denoising") == std::string::npos);
    CHECK(parameter.key().find("layers.2.norm") == std::string::npos);
  }
}

TEST_CASE("boxes stay float32 under autocast, in training and outside it") {
  const auto [precision, type] = GENERATE(table<Precision, torch::ScalarType>(
      {{Precision::kBFloat16, torch::kBFloat16}, {Precision::kFloat16, torch::kFloat16}}));
  RTDETRDecoder decoder = build(small_options());
  decoder->to(torch::kFloat32);
  std::vector<Tensor> maps;
  for (const Tensor& map : make_maps(1)) maps.push_back(map.to(torch::kFloat32));
  const std::vector<Target> targets{{torch::zeros({1}, torch::kInt64), torch::tensor({{0.5F, 0.5F, 0.2F, 0.2F}})}};
  for (const bool training : {false, true}) {
    decoder->train(training);
    const AutocastScope autocast(precision, torch::kCPU);
    const ModelOutput output = training ? train_pass(decoder, maps, targets) : decoder->forward(maps, {});
    for (const auto* list : {&output.layers, &output.denoising}) {
      for (const Prediction& prediction : *list) {
        CHECK(prediction.boxes_cxcywh.scalar_type() == torch::kFloat32);
        CHECK(prediction.logits.scalar_type() == type);
      }
    }
    CHECK(output.denoising.empty() == !training);
    CHECK(output.encoder.boxes_cxcywh.scalar_type() == torch::kFloat32);
  }
}

TEST_CASE("initial weights follow the references") {
  at::set_num_threads(1);
  RTDETRDecoder decoder(small_options());
  rtdetr::initialize_weights(*decoder, 0);
  const auto state = decoder->named_parameters();
  CHECK(torch::allclose(state["dec_score_head.1.bias"], torch::full({4}, -4.59512F)));
  CHECK(state["dec_bbox_head.2.layers.2.weight"].abs().max().item<float>() == 0);
  CHECK(torch::equal(state["decoder.layers.0.linear1.weight"], state["decoder.layers.2.linear1.weight"]));
  CHECK_FALSE(torch::equal(state["dec_score_head.0.weight"], state["dec_score_head.1.weight"]));
  CHECK(state["denoising_class_embed.weight"][4].abs().max().item<float>() == 0);
  const Tensor offsets = state["decoder.layers.0.cross_attn.sampling_offsets.bias"].view({2, 3, 4, 2});
  CHECK(torch::allclose(offsets[0][1], torch::tensor({1.0F, 0.0F, 2.0F, 0.0F, 3.0F, 0.0F, 4.0F, 0.0F}).view({4, 2})));
  CHECK(torch::allclose(offsets[1][2][3], torch::tensor({-4.0F, 0.0F}), 0, 1e-5));

  DecoderOptions scaled = small_options();
  scaled.prior_scales_with_classes = true;
  RTDETRDecoder ultralytics(scaled);
  rtdetr::initialize_weights(*ultralytics, 0);
  const Tensor bias = ultralytics->named_parameters()["enc_score_head.bias"];
  CHECK(torch::allclose(bias, torch::full({4}, -4.59512F * 4 / 80)));
}

TEST_CASE("more layers than the model has are refused") {
  RTDETRDecoder decoder = build(small_options());
  ForwardOptions options;
  options.decoder_layers = 4;
  CHECK_THROWS_AS(decoder->forward(make_maps(1), options), rtdetr::ConfigError);
}
