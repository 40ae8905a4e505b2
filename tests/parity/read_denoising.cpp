#include <torch/types.h>

#include <catch2/catch.hpp>

#include "models/heads/detr/denoising.h"
#include "tests/parity/denoising_draws.h"
#include "tests/parity/fixture.h"
#include "tests/support/fill.h"

namespace rtdetr::test {
namespace {

constexpr double kDenoisingLimit = 1e-12;
constexpr std::int64_t kClassCount = 80;

std::vector<Target> targets_by_rule(const std::vector<std::int64_t>& counts) {
  std::int64_t total = 0;
  for (const auto count : counts) total += count;
  const Tensor labels = (uniform_by_key("dncase.labels", {total}) * kClassCount).floor().to(torch::kInt64);
  const Tensor u = uniform_by_key("dncase.boxes", {total, 4});
  const Tensor boxes = torch::cat({u.narrow(1, 0, 2), u.narrow(1, 2, 2) * 0.6 + 0.02}, 1);
  std::vector<Target> targets;
  std::int64_t first = 0;
  for (const auto count : counts) {
    targets.push_back({labels.narrow(0, first, count), boxes.narrow(0, first, count)});
    first += count;
  }
  return targets;
}

DenoisingOptions options_of(const Fixture& fixture) {
  DenoisingOptions options;
  options.mirror = fixture.stem.starts_with("dfine");
  options.count = fixture.json[fixture.stem == "dino_denoising" ? "dn_number" : "num_denoising"];
  options.label_noise_ratio = fixture.json["label_noise_ratio"];
  options.box_noise_scale = fixture.json["box_noise_scale"];
  if (fixture.stem != "denoising_v2") options.empty_batch = DenoisingOptions::EmptyBatch::kNone;
  if (fixture.stem == "denoising_ultralytics") {
    options.padding = DenoisingOptions::Padding::kZero;
    options.logit_epsilon = 1e-6;
    options.clamp_before_logit = true;
  }
  if (fixture.stem == "dino_denoising") {
    options.padding = DenoisingOptions::Padding::kZero;
    options.logit_epsilon = 1e-3;
  }
  return options;
}

/// D-FINE's file says where its boxes differ from v2's.
Fixture filled_up(Fixture fixture) {
  if (!fixture.stem.starts_with("dfine")) return fixture;
  const Fixture v2 = load_fixture("denoising_v2");
  for (const auto& [name, entry] : fixture.json["cases"].items()) {
    if (entry.contains("result")) continue;
    for (const auto& [key, tensor] : v2.tensors) {
      if (key.starts_with(name + ".")) fixture.tensors.emplace(key, tensor.clone());
    }
    const Tensor at = fixture.tensor(name + ".differs_at"), value = fixture.tensor(name + ".differs_value");
    fixture.tensors.at(name + ".box_unact").index_put_({at.select(1, 0), at.select(1, 1), at.select(1, 2)}, value);
    const auto queries = entry["split"][1].get<std::int64_t>();
    CHECK(queries == v2.json["cases"][name]["split"][1].get<std::int64_t>());
  }
  return fixture;
}

void check_denoising(const Fixture& fixture, const std::string& name, const nlohmann::json& entry) {
  const auto counts = entry["n"].get<std::vector<std::int64_t>>();
  const std::vector<Target> targets = targets_by_rule(counts);
  const DenoisingOptions options = options_of(fixture);
  const DenoisingPairs plan = plan_denoising(targets, options);
  if (entry.contains("result")) {  // "no denoising"
    CHECK(plan.queries == 0);
    CHECK_FALSE(make_denoising_queries(targets, kClassCount, options, {}).labels.defined());
    return;
  }
  CHECK(plan.groups == entry["groups"].get<std::int64_t>());
  REQUIRE(plan.queries == entry["split"][0].get<std::int64_t>());
  const DenoisingDraws draws = options.padding == DenoisingOptions::Padding::kZero
                                   ? ultralytics_draws(counts, plan, options.label_noise_ratio)
                                   : official_draws(static_cast<std::int64_t>(counts.size()), plan.queries);
  const DenoisingQueries made = make_denoising_queries(targets, kClassCount, options, draws);
  check_equal(name + ".labels", made.labels, fixture.tensor(name + ".labels"));
  check_relative(name + ".box_unact", made.box_logits, fixture.tensor(name + ".box_unact"), kDenoisingLimit);
  const Tensor blocked = blocked_pairs({plan.queries, plan.queries / plan.groups, entry["split"][1]}, torch::kCPU);
  check_equal(name + ".attn_mask", blocked, fixture.tensor(name + ".attn_mask"));
  for (std::size_t b = 0; b < counts.size(); ++b) {
    const std::string key = name + ".positive." + std::to_string(b);
    const std::vector<std::int64_t>& slots = made.pairs.positive_slots[b];
    if (counts[b] == 0) CHECK(slots.empty());
    if (counts[b] == 0 || fixture.stem == "dino_denoising") continue;  // whose file does not have them
    check_equal(key, torch::tensor(slots, torch::kInt64), fixture.tensor(key));
  }
}

}  // namespace

TEST_CASE("denoising groups equal the reference's for its random draws", "[denoising]") {
  const Fixture fixture = filled_up(load_fixture());
  for (const auto& [name, entry] : fixture.json["cases"].items()) {
    if (!entry.contains("skipped")) check_denoising(fixture, name, entry);
  }
}

}  // namespace rtdetr::test
