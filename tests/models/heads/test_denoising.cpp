#include <torch/types.h>

#include <catch2/catch.hpp>
#include <span>

#include "core/base/error.h"
#include "core/tensor/box_ops.h"
#include "models/heads/detr/denoising.h"

using rtdetr::DenoisingDraws;
using rtdetr::DenoisingOptions;
using rtdetr::DenoisingQueries;
using rtdetr::Target;
using torch::Tensor;

namespace {

constexpr std::int64_t kClasses = 5;

Target target(std::int64_t boxes) {
  const Tensor corner = torch::linspace(0.4, 0.6, boxes).unsqueeze(1).expand({boxes, 2});
  return {torch::arange(boxes, torch::kInt64).remainder(kClasses),
          torch::cat({corner, torch::full({boxes, 2}, 0.2)}, 1)};
}

std::vector<Target> targets(const std::vector<std::int64_t>& counts) {
  std::vector<Target> all;
  for (const auto count : counts) all.push_back(target(count));
  return all;
}

DenoisingDraws draws_for(const std::vector<Target>& all, const DenoisingOptions& options, std::uint64_t seed = 1) {
  return rtdetr::draw_denoising(static_cast<std::int64_t>(all.size()), rtdetr::plan_denoising(all, options).queries,
                                kClasses, at::make_generator<at::CPUGeneratorImpl>(seed), torch::kFloat32);
}

DenoisingQueries make(const std::vector<Target>& all, const DenoisingOptions& options) {
  return rtdetr::make_denoising_queries(all, kClasses, options, draws_for(all, options));
}

}  // namespace

TEST_CASE("positives stay within half a side of their corners, negatives leave it by at most one more") {
  const auto all = targets({2, 3});
  const DenoisingOptions options{.count = 9};
  const DenoisingQueries made = make(all, options);
  REQUIRE(made.pairs.groups == 3);
  REQUIRE(made.pairs.queries == 18);
  const Tensor corners = rtdetr::cxcywh_to_xyxy(made.box_logits.sigmoid());
  for (std::int64_t b = 0; b < 2; ++b) {
    const auto count = all[b].labels.size(0);
    const Tensor positives = torch::tensor(made.pairs.positive_slots[b], torch::kInt64);
    REQUIRE(positives.size(0) == 3 * count);
    for (std::int64_t group = 0; group < 3; ++group) {
      const Tensor slots = positives.narrow(0, group * count, count);
      const Tensor truth = rtdetr::cxcywh_to_xyxy(all[b].boxes_cxcywh);
      const Tensor positive = (corners[b].index_select(0, slots) - truth).abs();
      const Tensor negative = (corners[b].index_select(0, slots + 3) - truth).abs();
      CHECK(positive.max().item<float>() <= 0.1F + 1e-5F);
      // A negative whose corners crossed has lost a side to the clamp of the inverse sigmoid.
      const Tensor whole = made.box_logits[b].sigmoid().index_select(0, slots + 3).narrow(1, 2, 2).amin(1) > 1e-3;
      CHECK(negative.masked_select(whole.unsqueeze(1)).ge(0.1 - 1e-5).all().item<bool>());
      CHECK(negative.masked_select(whole.unsqueeze(1)).le(0.2 + 1e-5).all().item<bool>());
    }
  }
}

TEST_CASE("matching queries see no denoising query, groups do not see each other") {
  const Tensor blocked = rtdetr::blocked_pairs({8, 4, 4}, torch::kCPU);  // 2 groups of 4, then 4 matching queries
  REQUIRE(blocked.sizes() == torch::IntArrayRef({12, 12}));
  CHECK(blocked.narrow(0, 8, 4).narrow(1, 0, 8).all().item<bool>());
  CHECK_FALSE(blocked.narrow(1, 8, 4).any().item<bool>());
  CHECK(blocked.narrow(0, 0, 4).narrow(1, 4, 4).all().item<bool>());
  CHECK_FALSE(blocked.narrow(0, 4, 4).narrow(1, 4, 4).any().item<bool>());
}

TEST_CASE("labels are redrawn with half the ratio, padding never") {
  const auto all = targets({1, 40});
  const DenoisingOptions options{.count = 4000};
  const DenoisingQueries made = make(all, options);
  const Tensor truth = all[1].labels.repeat({2 * made.pairs.groups});
  const double changed = (made.labels[1] != truth).to(torch::kFloat64).mean().item<double>();
  CHECK(changed == Approx(0.25 * (kClasses - 1) / kClasses).margin(0.03));
  CHECK((made.labels[0] == kClasses).sum().item<std::int64_t>() == made.pairs.queries / 40 * 39);
  CHECK(make(all, {.count = 80, .label_noise_ratio = 0}).labels[1].equal(all[1].labels.repeat({4})));
}

TEST_CASE("the same seed gives the same denoising group") {
  const auto all = targets({3, 1});
  const DenoisingDraws one = draws_for(all, {}, 7), same = draws_for(all, {}, 7), other = draws_for(all, {}, 8);
  CHECK(torch::equal(one.box_u, same.box_u));
  CHECK(torch::equal(one.label_new, same.label_new));
  CHECK_FALSE(torch::equal(one.box_u, other.box_u));
}

TEST_CASE("box noise 0 keeps the boxes") {
  const auto all = targets({3});
  const DenoisingQueries made = make(all, {.count = 3, .box_noise_scale = 0});
  CHECK(torch::allclose(made.box_logits[0].narrow(0, 0, 3).sigmoid(), all[0].boxes_cxcywh, 1e-5, 1e-6));
}

TEST_CASE("a batch without boxes gets one dummy group without positives") {
  const DenoisingQueries made = make(targets({0, 0}), {});
  CHECK(made.pairs.groups == 1);
  CHECK(made.pairs.queries == 2);
  CHECK(made.pairs.positive_slots.at(1).empty());
  CHECK((made.labels == kClasses).all().item<bool>());
  CHECK(made.box_logits.isfinite().all().item<bool>());
}

TEST_CASE("a picture with more boxes than count gets one group all the same") {
  const DenoisingQueries made = make(targets({5, 1}), {.count = 3});
  CHECK(made.pairs.groups == 1);
  CHECK(made.pairs.queries == 10);
  CHECK(made.pairs.positive_slots.at(0) == std::vector<std::int64_t>{0, 1, 2, 3, 4});
}

TEST_CASE("no denoising is asked for by count 0, or for empty batches alone") {
  CHECK(make(targets({2}), {.count = 0}).pairs.queries == 0);
  CHECK(make(targets({0}), {.empty_batch = DenoisingOptions::EmptyBatch::kNone}).pairs.queries == 0);
}

TEST_CASE("padding can be zeros instead of a class") {
  const DenoisingQueries made = make(targets({1, 2}), {.count = 2, .padding = DenoisingOptions::Padding::kZero});
  CHECK(made.labels[0][1].item<std::int64_t>() == -1);
  CHECK(made.box_logits[0][1].abs().max().item<float>() == 0);
}

TEST_CASE("two processes have together the denoising queries of the whole batch") {
  const auto all = targets({3, 0, 1, 0});
  const DenoisingDraws joint = draws_for(all, {});
  const DenoisingQueries whole = rtdetr::make_denoising_queries(all, kClasses, {}, joint);
  for (std::int64_t rank : {0, 1}) {
    const auto first = static_cast<std::size_t>(rank);
    const std::vector<Target> own{all[first], all[first + 2]};  // of rank 1 no picture has a box
    const DenoisingDraws draws = rtdetr::share_of(joint, rank, 2);
    const DenoisingQueries part = rtdetr::make_denoising_queries(own, kClasses, {}, draws, 3);
    CHECK(part.pairs.groups == whole.pairs.groups);
    CHECK(part.pairs.queries == whole.pairs.queries);
    for (std::int64_t i : {0, 1}) {
      CHECK(torch::equal(part.labels[i], whole.labels[rank + 2 * i]));
      CHECK(torch::equal(part.box_logits[i], whole.box_logits[rank + 2 * i]));
      CHECK(part.pairs.positive_slots[static_cast<std::size_t>(i)] ==
            whole.pairs.positive_slots[static_cast<std::size_t>(rank + 2 * i)]);
    }
  }
  CHECK(rtdetr::plan_denoising(std::span(all).subspan(1, 1), {.empty_batch = DenoisingOptions::EmptyBatch::kNone}, 3)
            .queries == whole.pairs.queries);
  CHECK_THROWS_AS(rtdetr::plan_denoising(all, {}, 2), rtdetr::InternalError);
}

TEST_CASE("draws of another size are refused") {
  const auto all = targets({2});
  DenoisingDraws draws = draws_for(all, {});
  draws.label_u = draws.label_u.narrow(1, 0, 3);
  CHECK_THROWS_AS(rtdetr::make_denoising_queries(all, kClasses, {}, draws), rtdetr::InternalError);
}
