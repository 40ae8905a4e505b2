#include "train/optim/muon.h"

#include <fstream>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <torch/types.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/tensor/tensor_file.h"
#include "tests/support/fixtures.h"

namespace rtdetr {
namespace {

using torch::Tensor;

ParameterGroup muon_group(const std::string& name, const Tensor& value, double lr = 0.01, double weight_decay = 0.1) {
  return {"", lr, weight_decay, {{name, value}}};
}

Tensor started_at(const Tensor& start) { return start.clone().set_requires_grad(true); }

Tensor state_of(Optimizer& optimizer, const std::string& name) {
  StateRegistry registry;
  optimizer.register_state(registry);
  const TensorMap all = registry.capture();
  INFO(name);
  REQUIRE(all.count(name) == 1);
  return all.at(name);
}

double difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.sizes() == b.sizes());
  return (a.to(torch::kDouble) - b.to(torch::kDouble)).abs().max().item<double>();
}

}  // namespace

TEST_CASE("Muon equals PyTorch's, matrices wide and tall and convolutions in both layouts") {
  at::set_num_threads(1);
  const TensorMap fixture = load_tensors(test::kFixtures / "optim/muon.safetensors").tensors;
  std::ifstream file(test::kFixtures / "optim/muon.json");
  const auto about = nlohmann::json::parse(file);
  for (const std::string name : {"wide", "tall", "conv"}) {
    for (const bool bfloat16 : {false, true}) {
      for (const bool channels_last : {false, true}) {
        if (channels_last && name != "conv") continue;
        INFO(name << (bfloat16 ? " in bfloat16" : "") << (channels_last ? ", channels-last" : ""));
        const auto type = bfloat16 ? torch::kFloat : torch::kDouble;
        Tensor start = fixture.at(name + ".start").to(type);
        if (channels_last) start = start.contiguous(torch::MemoryFormat::ChannelsLast);
        const Tensor value = started_at(start);
        Muon optimizer({muon_group("w", value, about["lr"], about["weight_decay"])},
                       {.momentum = about["momentum"], .bfloat16 = bfloat16});
        for (int step = 0; step < about["steps"].get<int>(); ++step) {
          value.mutable_grad() = fixture.at(name + ".gradient." + std::to_string(step)).to(type);
          optimizer.step(1);
        }
        const std::string kind = name + (bfloat16 ? ".bfloat16." : ".exact.");
        CHECK(difference(value.detach(), fixture.at(kind + "value")) < (bfloat16 ? 2e-4 : 1e-12));
        CHECK(difference(state_of(optimizer, "muon.momentum.w"), fixture.at(kind + "momentum")) <
              (bfloat16 ? 1e-6 : 1e-12));
        CHECK(difference(value.detach(), start) > 0.01);
      }
    }
  }
}

TEST_CASE("Muon leaves to AdamW what is no matrix") {
  torch::manual_seed(2);
  struct Case {
    std::string name;
    std::vector<std::int64_t> shape;
  };
  for (const auto& [name, shape] :
       {Case{"encoder.norm.weight", {32}}, Case{"decoder.dec_score_head.0.weight", {80, 32}},
        Case{"decoder.denoising_class_embed.weight", {81, 32}},
        Case{"decoder.dec_bbox_head.0.layers.2.weight", {4, 32}}, Case{"model.22.cv3.0.2.weight", {80, 32, 1, 1}},
        Case{"pos_embed", {1, 64, 32}}}) {
    INFO(name);
    const Tensor start = torch::randn(shape, torch::kDouble), ours = started_at(start), of_adamw = started_at(start);
    Muon muon({muon_group(name, ours)}, {}, {.beta1 = 0.8, .beta2 = 0.9});
    AdamW adamw({muon_group(name, of_adamw)}, {.beta1 = 0.8, .beta2 = 0.9});
    for (int step = 0; step < 3; ++step) {
      ours.mutable_grad() = torch::randn(shape, torch::kDouble);
      of_adamw.mutable_grad() = ours.grad().clone();
      muon.step(1);
      adamw.step(1);
    }
    CHECK(torch::equal(ours, of_adamw));
    CHECK(torch::equal(state_of(muon, "adamw.exp_avg." + name), state_of(adamw, "adamw.exp_avg." + name)));
  }
}

TEST_CASE("a step of Muon is about as long as AdamW's, at each group's rate") {
  torch::manual_seed(3);
  const Tensor start = torch::randn({16, 20}), value = started_at(start);
  Muon optimizer({muon_group("w", value, 0.02, 0)});
  value.mutable_grad() = torch::randn({16, 20}) * 1e-3;
  optimizer.step(0.5);
  const double moved = (value.detach() - start).pow(2).mean().sqrt().item<double>();
  CHECK(moved == Approx(0.2 * 0.01).epsilon(0.3));
}

TEST_CASE("matrices are orthogonalized, whatever their scale, and nothing stays nothing") {
  torch::manual_seed(4);
  for (const double scale : {1e-6, 1.0, 1e6}) {
    const Tensor values = at::linalg_svdvals(orthogonalized(torch::randn({24, 60}, torch::kDouble) * scale, false));
    CHECK(values.min().item<double>() > 0.65);
    CHECK(values.max().item<double>() < 1.25);
  }
  CHECK(orthogonalized(torch::zeros({16, 16}), false).abs().max().item<float>() == 0);
  CHECK(orthogonalized(torch::zeros({16, 16}), true).abs().max().item<float>() == 0);
}

}  // namespace rtdetr
