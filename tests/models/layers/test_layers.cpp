#include <torch/nn/module.h>
#include <torch/types.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "models/blocks/aifi.h"
#include "models/blocks/hgnet.h"
#include "models/blocks/rep.h"
#include "models/graph/registry.h"
#include "models/layers/drop_path.h"
#include "models/layers/module_tree.h"
#include "models/layers/state_constants.h"

namespace rtdetr {

TEST_CASE("position table of a square map has the documented entries in both orders") {
  const auto order = GENERATE(PositionOrder::kRowColumn, PositionOrder::kOfficial);
  const Tensor table = position_table(20, 20, 256, order, torch::kFloat64)[0];  // [400, 256]
  const auto at = [&](int token, int channel) { return table[token][channel].item<double>(); };
  CHECK(at(1, 0) == Approx(0).margin(1e-12));
  CHECK(at(1, 64) == Approx(1));
  CHECK(at(1, 128) == Approx(std::sin(1.0)));
  CHECK(at(1, 192) == Approx(std::cos(1.0)));
  CHECK(at(20, 0) == Approx(std::sin(1.0)));
  CHECK(at(20, 128) == Approx(0).margin(1e-12));
}

TEST_CASE("position table of a wide map is right by row and column, scrambled in the official order") {
  const Tensor right = position_table(2, 3, 8, PositionOrder::kRowColumn, torch::kFloat64)[0];
  CHECK(right[3][0].item<double>() == Approx(std::sin(1.0)));  // token 3: row 1, column 0
  CHECK(right[3][4].item<double>() == Approx(0).margin(1e-12));
  const Tensor official = position_table(2, 3, 8, PositionOrder::kOfficial, torch::kFloat64)[0];
  CHECK(official[2][0].item<double>() == Approx(std::sin(1.0)));  // entry 2: a = 2 / 2, b = 2 % 2
  CHECK(official[3][4].item<double>() == Approx(std::sin(1.0)));
}

TEST_CASE("an encoder layer that has seen a wide map knows a high one of as many cells") {
  const torch::NoGradGuard no_grad;
  Aifi used(AifiOptions{.size = 16, .hidden = 32, .heads = 4}),
      fresh(AifiOptions{.size = 16, .hidden = 32, .heads = 4});
  for (Aifi* layer : {&used, &fresh}) initialize_weights(**layer, 3);
  const Tensor high = torch::rand({1, 16, 6, 2});
  used->forward(torch::rand({1, 16, 3, 4}));
  CHECK(torch::equal(used->forward(high), fresh->forward(high)));
}

TEST_CASE("encoder layers start as copies of the first") {
  TransformerEncoder encoder(AifiOptions{.size = 16, .hidden = 32, .heads = 4}, 2);
  initialize_weights(*encoder, 3);
  const auto parameters = encoder->named_parameters();
  for (const auto& item : parameters) {
    if (!item.key().starts_with("layers.1.")) continue;
    CHECK(torch::equal(item.value(), parameters["layers.0." + item.key().substr(9)]));
  }
}

namespace {

struct GuestWithConstant : torch::nn::Module, HoldsConstants {
  std::vector<StateConstant> constants() const override { return {{"up", 0.5}}; }
};

struct GuestThatDrops : torch::nn::Module, DropsPaths {
  explicit GuestThatDrops(std::int64_t paths) : paths_(paths) {}
  std::int64_t path_count() const override { return paths_; }
  void draw_paths(const Tensor& uniform) override { drawn_ = uniform; }

 private:
  std::int64_t paths_;
  Tensor drawn_;
};

}  // namespace

TEST_CASE("a guest's constants are those of the place that took it in, and a guest drops no branches") {
  Container root;
  register_at(root, "body.", std::make_shared<GuestWithConstant>());
  CHECK(constants_of(root) == std::map<std::string, double>{{"body.up", 0.5}});
  register_at(root, ".", std::make_shared<GuestWithConstant>());
  CHECK(constants_of(root) == std::map<std::string, double>{{"body.up", 0.5}, {"up", 0.5}});
  CHECK_THROWS_WITH(register_at(root, "vit.", std::make_shared<GuestThatDrops>(1)),
                    Catch::Contains("drops branches in training") && Catch::Contains("cannot end in a dot"));
  CHECK_NOTHROW(register_at(root, "still.", std::make_shared<GuestThatDrops>(0)));
}

TEST_CASE("initial weights have PyTorch's ranges") {
  ConvNormAct block(conv_unit(16, 64, 3, 1, Activation::kSilu, {}));
  initialize_weights(*block, 0);
  const Tensor weight = block->named_parameters()["conv.weight"];
  const double bound = 1 / std::sqrt(16.0 * 9);
  CHECK(weight.abs().max().item<double>() <= bound);
  CHECK(weight.std().item<double>() == Approx(bound / std::sqrt(3.0)).epsilon(0.03));
  CHECK(weight.mean().item<double>() == Approx(0).margin(bound * 0.03));
  CHECK(block->named_parameters()["bn.weight"].sum().item<double>() == 64);
  CHECK(block->named_buffers()["bn.running_var"].sum().item<double>() == 64);
}

TEST_CASE("normal draws have mean 0 and deviation 1") {
  const Tensor values = torch::empty({200, 100});
  WeightDraws(1, "a.").normal(values, "b");
  CHECK(values.mean().item<double>() == Approx(0).margin(0.03));
  CHECK(values.std().item<double>() == Approx(1).epsilon(0.03));
}

TEST_CASE("a parameter budget counts without memory and refuses what is too much") {
  {
    ParameterBudget budget(/*counting_only=*/true);
    ConvNormAct block(conv_unit(30000, 30000, 1, 1, Activation::kNone, {}));
    CHECK(budget.used() == 30000LL * 30000 + 4 * 30000);
    CHECK(block->parameters().front().is_meta());
    CHECK_THROWS_AS(new_weight({65536, 65536, 63, 63}), ModelError);
    CHECK_THROWS_AS(new_weight({1LL << 40, 1LL << 40}), ModelError);
  }
  CHECK_FALSE(new_weight({2}).is_meta());
}

TEST_CASE("BatchNorm learns its statistics unless frozen") {
  BatchNorm norm(3, BatchNormOptions{1e-3, 0.03, false}), frozen(3, BatchNormOptions{1e-3, 0.03, true});
  initialize_weights(*norm, 0);
  initialize_weights(*frozen, 0);
  const Tensor x = torch::rand({4, 3, 5, 5}) + 2;
  norm->forward(x);
  CHECK(norm->num_batches_tracked.item<std::int64_t>() == 1);
  CHECK(torch::allclose(norm->running_mean, 0.03 * x.mean({0, 2, 3})));
  CHECK(torch::allclose(frozen->forward(x), x / std::sqrt(1.001)));
  CHECK(frozen->parameters().empty());
  CHECK(frozen->buffers().size() == 4);
}

TEST_CASE("gradients of a block in place are those out of place") {
  torch::manual_seed(0);
  const auto activation = GENERATE(Activation::kRelu, Activation::kSilu, Activation::kHardswish);
  RepConv block(RepConvOptions{.in = 3, .out = 3, .identity = true, .activation = activation});
  initialize_weights(*block, 5);
  block->to(torch::kFloat64);
  const Tensor x = torch::rand({2, 3, 6, 6}, torch::kFloat64).set_requires_grad(true);
  const auto loss = [&](const Tensor& input) { return block->forward(input).pow(2).sum(); };
  loss(x).backward();
  const torch::NoGradGuard no_grad;
  const double step = 1e-6;
  Tensor up = x.detach().clone(), down = x.detach().clone();
  up[1][2][3][4] += step;
  down[1][2][3][4] -= step;
  const double numeric = (loss(up) - loss(down)).item<double>() / (2 * step);
  CHECK(x.grad()[1][2][3][4].item<double>() == Approx(numeric).epsilon(1e-5));
}

TEST_CASE("every registered block says what it is and what it takes") {
  const auto names = registry().names();
  CHECK(names.size() >= 20);
  for (const std::string& name : names) {
    const BlockEntry& entry = *registry().find(name);
    CHECK_FALSE(entry.summary.empty());
    for (const ArgumentSpec& argument : entry.arguments) CHECK_FALSE(argument.meaning.empty());
  }
  CHECK(registry().find("nn.Nothing") == nullptr);
}

TEST_CASE("a block that says nothing of its forward pass is no identity") {
  struct Forgetful : Block {};
  CHECK_THROWS_AS(Forgetful().forward_all({torch::ones({1, 1, 2, 2})}), InternalError);
}

}  // namespace rtdetr
