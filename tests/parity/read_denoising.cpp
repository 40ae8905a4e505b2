#include <torch/torch.h>

#include <catch2/catch.hpp>

#include "models/denoising.h"
#include "tests/parity/fixture.h"
#include "tests/support/fill.h"

namespace rtdetr::test {
namespace {

constexpr double kLimit = 1e-12;
constexpr std::int64_t kClasses = 80;

std::vector<Target> targets_by_rule(const std::vector<std::int64_t>& counts) {
  std::int64_t total = 0;
  for (const auto count : counts) total += count;
  const Tensor labels = (uniform_by_key("dncase.labels", {total}) * kClasses).floor().to(torch::kInt64);
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

DenoisingDraws official_draws(std::int64_t batch, std::int64_t queries) {
  return {uniform_by_key("dn.label_u", {batch, queries}),
          (uniform_by_key("dn.label_new", {batch, queries}) * kClasses).floor().to(torch::kInt64),
          (uniform_by_key("dn.sign_bit", {batch, queries, 4}) * 2).floor().to(torch::kInt64),
          uniform_by_key("dn.box_u", {batch, queries, 4})};
}

/// Ultralytics draws once per (group, half, target of the whole batch), and new labels for the replaced ones alone;
/// this puts its numbers where ours stand.
DenoisingDraws ultralytics_draws(const std::vector<std::int64_t>& counts, const DenoisingPairs& plan, double ratio) {
  const auto batch = static_cast<std::int64_t>(counts.size());
  const auto slots = plan.queries / (2 * plan.groups);
  std::int64_t total = 0;
  for (const auto count : counts) total += count;
  const auto flat = 2 * plan.groups * total;
  const Tensor label_u = uniform_by_key("dn.label_u", {flat}), replaced = label_u < 0.5 * ratio;
  const Tensor label_new = torch::zeros({flat}, torch::kInt64);
  const auto replaced_count = replaced.sum().item<std::int64_t>();
  label_new.masked_scatter_(replaced,
                            (uniform_by_key("dn.label_new", {replaced_count}) * kClasses).floor().to(torch::kInt64));
  const Tensor sign = (uniform_by_key("dn.sign_bit", {flat, 4}) * 2).floor().to(torch::kInt64);
  const Tensor box_u = uniform_by_key("dn.box_u", {flat, 4});

  DenoisingDraws draws = {
      torch::ones({batch, plan.queries}, torch::kFloat64), torch::zeros({batch, plan.queries}, torch::kInt64),
      torch::zeros({batch, plan.queries, 4}, torch::kInt64), torch::zeros({batch, plan.queries, 4}, torch::kFloat64)};
  std::int64_t first = 0;
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t half = 0; half < 2 * plan.groups; ++half) {
      const auto copy = [&](const Tensor& to, const Tensor& from) {
        to[b].narrow(0, half * slots, counts[b]).copy_(from.narrow(0, half * total + first, counts[b]));
      };
      copy(draws.label_u, label_u);
      copy(draws.label_new, label_new);
      copy(draws.sign_bit, sign);
      copy(draws.box_u, box_u);
    }
    first += counts[b];
  }
  return draws;
}

DenoisingOptions options_of(const Fixture& fixture) {
  DenoisingOptions options;
  options.count = fixture.json["num_denoising"];
  options.label_noise_ratio = fixture.json["label_noise_ratio"];
  options.box_noise_scale = fixture.json["box_noise_scale"];
  if (fixture.stem != "denoising_v2") options.empty_batch = DenoisingOptions::EmptyBatch::kNone;
  if (fixture.stem == "denoising_ultralytics") {
    options.padding = DenoisingOptions::Padding::kZero;
    options.logit_epsilon = 1e-6;
    options.clamp_before_logit = true;
  }
  return options;
}

void check_case(const Fixture& fixture, const std::string& name, const nlohmann::json& entry) {
  const auto counts = entry["n"].get<std::vector<std::int64_t>>();
  const std::vector<Target> targets = targets_by_rule(counts);
  const DenoisingOptions options = options_of(fixture);
  const DenoisingPairs plan = plan_denoising(targets, options);
  if (entry.contains("result")) {  // "no denoising"
    CHECK(plan.queries == 0);
    CHECK_FALSE(make_denoising_queries(targets, kClasses, 5, options, {}).labels.defined());
    return;
  }
  CHECK(plan.groups == entry["groups"].get<std::int64_t>());
  REQUIRE(plan.queries == entry["split"][0].get<std::int64_t>());
  const DenoisingDraws draws = fixture.stem == "denoising_ultralytics"
                                   ? ultralytics_draws(counts, plan, options.label_noise_ratio)
                                   : official_draws(static_cast<std::int64_t>(counts.size()), plan.queries);
  const DenoisingQueries made = make_denoising_queries(targets, kClasses, entry["split"][1], options, draws);
  check_equal(name + ".labels", made.labels, fixture.tensor(name + ".labels"));
  check_relative(name + ".box_unact", made.box_logits, fixture.tensor(name + ".box_unact"), kLimit);
  check_equal(name + ".attn_mask", made.blocked, fixture.tensor(name + ".attn_mask"));
  for (std::size_t b = 0; b < counts.size(); ++b) {
    const std::string key = name + ".positive." + std::to_string(b);
    if (counts[b] > 0) check_equal(key, made.pairs.positive_slots[b], fixture.tensor(key));
    if (counts[b] == 0) CHECK(made.pairs.positive_slots[b].numel() == 0);
  }
}

}  // namespace

TEST_CASE("denoising groups equal the reference's for its random draws", "[denoising]") {
  const Fixture fixture = load_fixture();
  for (const auto& [name, entry] : fixture.json["cases"].items()) {
    if (!entry.contains("skipped")) check_case(fixture, name, entry);
  }
}

}  // namespace rtdetr::test
