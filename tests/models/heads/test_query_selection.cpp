#include <torch/types.h>

#include <catch2/catch.hpp>

#include "models/heads/detr/query_selection.h"

using rtdetr::AnchorOptions;
using rtdetr::Anchors;
using torch::Tensor;

namespace {

const std::vector<rtdetr::LevelShape> kAt640 = {{80, 80}, {40, 40}, {20, 20}};

}  // namespace

TEST_CASE("anchors at 640 x 640 are the reference's") {
  const Anchors anchors = rtdetr::make_anchors(kAt640, {}, torch::kFloat64);
  const auto token = [&](std::int64_t t) { return anchors.logits[0][t]; };
  const auto near = [](const Tensor& a, std::vector<double> b) {
    return torch::allclose(a, torch::tensor(b, torch::kFloat64), 0, 5e-6);
  };
  CHECK(near(token(81), {-3.957634, -3.957634, -2.944439, -2.944439}));
  CHECK(near(token(6400), {-4.369448, -4.369448, -2.197225, -2.197225}));
  CHECK(near(token(8399), {3.663563, 3.663563, -1.386294, -1.386294}));
  CHECK(anchors.logits.isinf().sum().item<std::int64_t>() == 1264);
  CHECK(anchors.valid.sum().item<std::int64_t>() == 8084);
}

TEST_CASE("the fixed form has an ordinary anchor everywhere") {
  const Anchors anchors = rtdetr::make_anchors(kAt640, {.official_border = false}, torch::kFloat32);
  CHECK(anchors.logits.isfinite().all().item<bool>());
  CHECK_FALSE(anchors.valid.defined());
}

TEST_CASE("small maps have no invalid anchor, also when they are not square") {
  const Anchors anchors = rtdetr::make_anchors({{4, 6}, {2, 3}}, {}, torch::kFloat64);
  CHECK_FALSE(anchors.valid.defined());
  const Tensor box = anchors.logits[0][24 + 4].sigmoid();  // level 1, row 1, column 1
  CHECK(torch::allclose(box, torch::tensor({0.5, 0.75, 0.1, 0.1}, torch::kFloat64)));
}

TEST_CASE("the cache gives one table per size and type, and outlives inference mode") {
  rtdetr::AnchorCache cache{AnchorOptions{}};
  Tensor first;
  {
    const c10::InferenceMode inference;
    first = cache.get(kAt640, torch::kFloat32).logits;
  }
  CHECK_FALSE(first.is_inference());
  CHECK(cache.get(kAt640, torch::kFloat32).logits.is_same(first));
  CHECK(cache.get(kAt640, torch::kFloat64).logits.scalar_type() == torch::kFloat64);
  for (std::int64_t size = 1; size < 40; ++size) cache.get({{size, size}}, torch::kFloat32);
  CHECK(torch::equal(cache.get(kAt640, torch::kFloat32).logits, first));
}

TEST_CASE("the cache keeps the tables that were used last, and no more of them than multi-scale training needs") {
  rtdetr::AnchorCache cache{AnchorOptions{}};
  const auto table = [&](std::int64_t side) { return cache.get({{side, side}}, torch::kFloat32).logits; };
  const Tensor kept = table(1), dropped = table(2);
  for (std::int64_t side = 3; side < 40; ++side) {
    table(side);
    CHECK(table(1).is_same(kept));
  }
  CHECK_FALSE(table(2).is_same(dropped));
}

TEST_CASE("tokens are taken by their best class, best first") {
  const Tensor logits = torch::tensor({0.1, 0.9, 0.8, 0.2, 0.7, 0.85, -1.0, -2.0}, torch::kFloat64).view({1, 4, 2});
  CHECK(torch::equal(rtdetr::select_queries(logits, 3, rtdetr::QuerySelection::kBestClass)[0],
                     torch::tensor({0, 2, 1}, torch::kInt64)));
  CHECK(torch::equal(rtdetr::select_queries(logits, 3, rtdetr::QuerySelection::kOneToMany)[0],
                     torch::tensor({0, 2, 1}, torch::kInt64)));
  CHECK(torch::equal(rtdetr::select_queries(logits, 4, rtdetr::QuerySelection::kOneToMany)[0],
                     torch::tensor({0, 2, 1, 2}, torch::kInt64)));
}

TEST_CASE("there are never more queries than tokens") {
  CHECK(rtdetr::select_queries(torch::randn({2, 4, 3}), 300, rtdetr::QuerySelection::kBestClass).size(1) == 4);
}
