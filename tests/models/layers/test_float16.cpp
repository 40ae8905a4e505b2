// Numbers beyond float16's 65504: what makes a whole token not a number in a layer that does not look out for it. In
// each case one channel is so large that the normalisation behind it leaves no trace of how large: float32 knows the
// result.
#include <ATen/Parallel.h>
#include <torch/nn/module.h>
#include <torch/types.h>
#include <catch2/catch.hpp>

#include "core/ops/autocast.h"
#include "models/blocks/aifi.h"
#include "models/heads/detr/decoder.h"
#include "models/layers/init.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kDim = 16;
constexpr double kHalfPrecision = 4e-3;  // of numbers up to 4

Tensor parameter(const torch::nn::Module& module, const std::string& name) {
  return *module.named_parameters().find(name);
}

/// The result in `precision`, as float32.
template <typename Compute>
Tensor in(Precision precision, const Compute& compute) {
  const torch::NoGradGuard no_grad;
  const AutocastScope autocast(precision, torch::kCPU);
  return compute().to(torch::kFloat32);
}

template <typename Compute>
void check_like_float32(const Compute& compute) {
  const Tensor wanted = in(Precision::kFloat32, compute), found = in(Precision::kFloat16, compute);
  CHECK(found.isfinite().all().item<bool>());
  CHECK((found - wanted).abs().max().item<double>() < kHalfPrecision);
}

/// A feed-forward part of which two hidden units, or one channel of the result, are beyond float16.
enum class Overflow { kHidden, kResult };

void overflow(Tensor weight1, Tensor bias1, Tensor weight2, Tensor bias2, Overflow where) {
  const torch::NoGradGuard no_grad;
  weight1.mul_(0.1);
  if (where == Overflow::kResult) {
    bias2[3] = 1e5;
    return;
  }
  weight1.slice(0, 0, 2).fill_(0);
  bias1.slice(0, 0, 2).fill_(1e5);
  weight2.select(1, 0).uniform_(0.2, 0.5);
  weight2.select(1, 1).copy_(weight2.select(1, 0) * torch::linspace(-0.9, 0.9, kDim));
}

}  // namespace

TEST_CASE("a decoder layer whose feed-forward part leaves float16 says what it says in float32") {
  at::set_num_threads(1);
  const auto where = GENERATE(Overflow::kHidden, Overflow::kResult);
  const auto activation = GENERATE(Activation::kRelu, Activation::kGelu, Activation::kSilu);
  CAPTURE(where, activation);
  DecoderLayerOptions options{.attention = {kDim, 2, {4}}, .ffn_dim = 24, .activation = activation};
  DecoderLayer layer(options);
  initialize_weights(*layer, 3);
  overflow(parameter(*layer, "linear1.weight"), parameter(*layer, "linear1.bias"), parameter(*layer, "linear2.weight"),
           parameter(*layer, "linear2.bias"), where);
  torch::manual_seed(1);
  const Tensor content = torch::randn({2, 5, kDim}), memory = torch::randn({2, 16, kDim});
  const Tensor reference = torch::rand({2, 5, 4});
  check_like_float32([&] {
    return layer->forward(content, torch::zeros_like(content), reference, memory, {{4, 4}}, {});
  });
}

TEST_CASE("a decoder layer whose sampled values leave float16 says what it says in float32") {
  at::set_num_threads(1);
  DecoderLayer layer(DecoderLayerOptions{.attention = {kDim, 2, {4}}, .ffn_dim = 24});
  initialize_weights(*layer, 3);
  {
    const torch::NoGradGuard no_grad;
    parameter(*layer, "cross_attn.value_proj.weight").copy_(torch::eye(kDim) * 100);
    for (const char* zero : {"linear1.weight", "linear2.weight", "linear1.bias", "linear2.bias"})
      parameter(*layer, zero).fill_(0);
  }
  torch::manual_seed(1);
  const Tensor content = torch::randn({2, 5, kDim}), reference = torch::rand({2, 5, 4}) * 0.2 + 0.4;
  Tensor memory = torch::zeros({2, 64, kDim});
  memory.select(2, 5).fill_(3e4);
  check_like_float32([&] {
    return layer->forward(content, torch::zeros_like(content), reference, memory, {{8, 8}}, {});
  });
}

TEST_CASE("an encoder layer whose feed-forward part leaves float16 says what it says in float32") {
  at::set_num_threads(1);
  const auto where = GENERATE(Overflow::kHidden, Overflow::kResult);
  const auto activation = GENERATE(Activation::kGelu, Activation::kRelu);
  CAPTURE(where, activation);
  AifiOptions options;
  options.size = kDim;
  options.hidden = 24;
  options.heads = 2;
  options.activation = activation;
  Aifi layer(options);
  initialize_weights(*layer, 3);
  overflow(parameter(*layer, options.linear1_name + ".weight"), parameter(*layer, options.linear1_name + ".bias"),
           parameter(*layer, options.linear2_name + ".weight"), parameter(*layer, options.linear2_name + ".bias"),
           where);
  torch::manual_seed(1);
  const Tensor map = torch::randn({2, kDim, 3, 4});
  check_like_float32([&] { return layer->forward(map); });
}

TEST_CASE("attention whose logits leave float16 looks where it looks in float32, with a mask and without") {
  at::set_num_threads(1);
  constexpr std::int64_t kHeads = 2, kTokens = kDim / kHeads;
  SelfAttention attention(kDim, kHeads);
  initialize_weights(*attention, 3);
  {
    const torch::NoGradGuard no_grad;
    attention->in_proj_weight.copy_(torch::eye(kDim).repeat({3, 1}));
  }
  const Tensor keys = 500 * torch::eye(kTokens).repeat({1, kHeads}).unsqueeze(0);  // 500² / √8 is 88388
  torch::manual_seed(1);
  const Tensor values = torch::randn({1, kTokens, kDim});
  const Tensor mask = torch::zeros({kTokens, kTokens}).fill_diagonal_(-std::numeric_limits<double>::infinity());
  check_like_float32([&] { return attention->forward(keys, values); });
  check_like_float32([&] { return attention->forward(keys, values, mask); });
}

TEST_CASE("selected tokens that leave float16 are scored as in float32") {
  at::set_num_threads(1);
  DecoderOptions options;
  options.in_channels = {12};
  options.num_classes = 4;
  options.dim = kDim;
  options.num_queries = 6;
  options.heads = 2;
  options.layers = 1;
  options.ffn_dim = 24;
  options.points = {4};
  RTDETRDecoder decoder(options);
  initialize_weights(*decoder, 3);
  decoder->eval();
  {
    const torch::NoGradGuard no_grad;
    parameter(*decoder, "enc_output.proj.bias")[3] = 1e5;
  }
  torch::manual_seed(1);
  const std::vector<Tensor> maps{torch::randn({1, 12, 4, 4})};
  check_like_float32([&] { return decoder->forward(maps, {}).encoder.logits; });
}

TEST_CASE("sampling points are float32 in a half pass: a map finer than its type is read between two cells") {
  at::set_num_threads(1);
  constexpr std::int64_t kCells = 4096, kEdge = 2500,
                         kWidth = 8;  // float16 and bfloat16 tell every second or 16th cell
  DeformableAttention attention(DeformableAttentionOptions{kWidth, 1, {1}});
  initialize_weights(*attention, 3);
  {
    const torch::NoGradGuard no_grad;
    attention->sampling_offsets->bias.fill_(0);
    attention->value_proj->weight.copy_(torch::eye(kWidth));
    attention->output_proj->weight.copy_(torch::eye(kWidth));
  }
  Tensor memory = torch::zeros({1, kCells, kWidth});
  memory.slice(1, kEdge).fill_(1);
  const Tensor reference = torch::tensor({(kEdge - 1 + 0.25 + 0.5) / kCells, 0.5, 0.1, 0.1}, torch::kFloat32);
  for (const Precision precision : {Precision::kFloat16, Precision::kBFloat16}) {
    const Tensor read = in(precision, [&] {
      return attention->forward(torch::ones({1, 1, kWidth}), reference.view({1, 1, 4}), memory, {{1, kCells}});
    });
    CHECK((read - 0.25).abs().max().item<double>() < 2e-3);
  }
}

}  // namespace rtdetr
