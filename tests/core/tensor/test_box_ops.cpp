#include "core/tensor/box_ops.h"

#include <torch/types.h>
#include <catch2/catch.hpp>

#include "core/tensor/check.h"
#include "tests/support/devices.h"
#include "tests/support/gradcheck.h"

namespace rtdetr {
namespace {

using test::Place;
using test::places;

const auto kDouble = torch::TensorOptions(torch::kFloat64);

/// Boxes with area, cxcywh, inside the unit square more or less.
Tensor some_boxes(std::int64_t count, std::uint64_t seed, const torch::TensorOptions& options = kDouble) {
  auto generator = torch::make_generator<torch::CPUGeneratorImpl>(seed);
  const Tensor draw = torch::rand({count, 4}, generator, torch::kFloat64);
  return torch::cat({draw.slice(1, 0, 2), draw.slice(1, 2, 4) * 0.5 + 0.02}, 1).to(options);
}

double difference(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST_CASE("centre form and corner form are inverse to each other", "[devices]") {
  const Place place = GENERATE(from_range(places()));
  INFO(place);
  const double rounding = place.tolerance / 100;
  const Tensor boxes = some_boxes(50, 1, place.options()).view({5, 10, 4});
  CHECK(difference(xyxy_to_cxcywh(cxcywh_to_xyxy(boxes)), boxes) < rounding);
  const Tensor corners = cxcywh_to_xyxy(torch::tensor({{0.5, 0.4, 0.2, 0.6}}, place.options()));
  CHECK(difference(corners, torch::tensor({{0.4, 0.1, 0.6, 0.7}}, place.options())) < rounding);
}

TEST_CASE("IoU of identical boxes is one and of boxes apart is zero with a negative GIoU", "[devices]") {
  const Place place = GENERATE(from_range(places()));
  INFO(place);
  const Tensor box = torch::tensor({{0., 0., 2., 1.}}, place.options());
  CHECK(paired_iou(box, box).iou.item<double>() == 1.0);
  CHECK(paired_iou(box, box).giou.item<double>() == 1.0);
  const IouPair apart = paired_iou(box, box + 3);
  CHECK(apart.iou.item<double>() == 0.0);
  CHECK(apart.giou.item<double>() == Approx(-(20.0 - 4.0) / 20.0));  // hull 5 x 4, union 2 + 2
}

TEST_CASE("an epsilon is added to the union and to the hull", "[devices]") {
  const Place place = GENERATE(from_range(places()));
  INFO(place);
  const Tensor box = torch::tensor({{0., 0., 2., 1.}}, place.options());
  const IouPair half = paired_iou(box, torch::tensor({{1., 0., 4., 1.}}, place.options()), 2);
  CHECK(half.iou.item<double>() == Approx(1.0 / (4 + 2)));   // union 2 + 3 - 1
  CHECK(half.giou.item<double>() == Approx(1.0 / (4 + 2)));  // hull 4 x 1
  const IouPair apart = paired_iou(box, box + 3, 2);
  CHECK(apart.giou.item<double>() == Approx(-(22.0 - 6.0) / 22.0));  // hull 5 x 4, union 2 + 2
}

TEST_CASE("IoU of boxes that broadcast holds every pair", "[devices]") {
  const Place place = GENERATE(from_range(places()));
  INFO(place);
  const Tensor a = cxcywh_to_xyxy(some_boxes(7, 2, place.options())),
               b = cxcywh_to_xyxy(some_boxes(5, 3, place.options()));
  const IouPair all = paired_iou(a.unsqueeze(1), b.unsqueeze(0));
  CHECK(all.iou.sizes() == torch::IntArrayRef({7, 5}));
  for (std::int64_t i = 0; i < 5; ++i) {
    const IouPair column = paired_iou(a, b.slice(0, i, i + 1).expand({7, 4}));
    CHECK(torch::equal(all.iou.select(1, i), column.iou));
    CHECK(torch::equal(all.giou.select(1, i), column.giou));
  }
}

TEST_CASE("IoU does not change under scaling, shifting, flipping and swapping the boxes", "[devices]") {
  const Place place = GENERATE(from_range(places()));
  INFO(place);
  const Tensor a = some_boxes(64, 4, place.options()), b = some_boxes(64, 5, place.options());
  const auto iou_of = [](const Tensor& x, const Tensor& y) { return paired_iou(cxcywh_to_xyxy(x), cxcywh_to_xyxy(y)); };
  const IouPair plain = iou_of(a, b);
  const auto flip = [](const Tensor& x) { return torch::cat({1 - x.slice(1, 0, 1), x.slice(1, 1, 4)}, 1); };
  const Tensor shift = torch::tensor({3., -2., 0., 0.}, place.options());
  const Tensor size = torch::tensor({640., 480., 640., 480.}, place.options());
  for (const IouPair& other :
       {iou_of(a * size, b * size), iou_of(a + shift, b + shift), iou_of(flip(a), flip(b)), iou_of(b, a)}) {
    CHECK(difference(plain.iou, other.iou) < 10 * place.tolerance);
    CHECK(difference(plain.giou, other.giou) < 10 * place.tolerance);
  }
  CHECK((plain.giou <= plain.iou).all().item<bool>());
  CHECK((plain.giou >= -1).all().item<bool>());
}

TEST_CASE("IoU of boxes without area is zero, and its gradient finite", "[devices]") {
  const Place place = GENERATE(from_range(places()));
  INFO(place);
  const Tensor points = torch::full({3, 4}, 0.25, place.options()).set_requires_grad(true);
  const IouPair overlap = paired_iou(points, torch::full({3, 4}, 0.25, place.options()));
  CHECK((overlap.iou == 0).all().item<bool>());
  (overlap.iou + overlap.giou).sum().backward();
  CHECK(torch::isfinite(overlap.giou).all().item<bool>());
  CHECK(torch::isfinite(points.grad()).all().item<bool>());
}

TEST_CASE("box functions take no boxes", "[devices]") {
  const auto here = torch::TensorOptions(test::test_device());
  const Tensor none = torch::zeros({0, 4}, here);
  CHECK(cxcywh_to_xyxy(none).sizes() == torch::IntArrayRef({0, 4}));
  CHECK(paired_iou(none, none).giou.sizes() == torch::IntArrayRef({0}));
  CHECK(paired_iou(none.unsqueeze(1), torch::ones({1, 3, 4}, here)).iou.sizes() == torch::IntArrayRef({0, 3}));
}

TEST_CASE("gradients of IoU, GIoU and inverse sigmoid agree with finite differences", "[devices]") {
  const auto here = kDouble.device(test::test_device());
  const Tensor wanted = cxcywh_to_xyxy(some_boxes(6, 7, here));
  const auto iou = [&](const Tensor& boxes) { return paired_iou(cxcywh_to_xyxy(boxes), wanted).iou.sum(); };
  const auto giou = [&](const Tensor& boxes) { return paired_iou(cxcywh_to_xyxy(boxes), wanted).giou.sum(); };
  CHECK(test::gradient_error(iou, some_boxes(6, 6, here)) < 1e-6);
  CHECK(test::gradient_error(giou, some_boxes(6, 6, here)) < 1e-6);
  const Tensor inside = torch::linspace(0.05, 0.95, 19, here);
  CHECK(test::gradient_error([](const Tensor& x) { return inverse_sigmoid(x).square().sum(); }, inside) < 1e-6);
}

TEST_CASE("inverse sigmoid undoes the sigmoid and stays finite at and beyond both ends", "[devices]") {
  const auto here = kDouble.device(test::test_device());
  const Tensor x = torch::linspace(-9, 9, 37, here);
  CHECK(difference(inverse_sigmoid(torch::sigmoid(x)), x) < 1e-9);
  const Tensor ends = inverse_sigmoid(torch::tensor({-0.5, 0.0, 1.0, 1.5}, here));
  CHECK(ends[0].item<double>() == Approx(std::log(1e-5)));
  CHECK(ends[3].item<double>() == Approx(-std::log(1e-5)));
  CHECK(ends[0].item<double>() == ends[1].item<double>());
}

TEST_CASE("a wrong shape is refused with the name, the shape wanted and the shape found") {
  CHECK_NOTHROW(check_shape(torch::zeros({2, 7, 4}), {2, -1, 4}, "pred_boxes"));
  CHECK_THROWS_WITH(check_shape(torch::zeros({2, 300, 5}), {2, -1, 4}, "pred_boxes"),
                    "pred_boxes: want [2, any, 4], have [2, 300, 5]");
  CHECK_THROWS_AS(check_shape(Tensor(), {2}, "pred_boxes"), InternalError);
}

}  // namespace
}  // namespace rtdetr
