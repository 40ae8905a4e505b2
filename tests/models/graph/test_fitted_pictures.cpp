#include "models/graph/fitted_pictures.h"

#include <torch/types.h>

#include <array>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "models/graph/model_spec.h"
#include "tests/models/tiny_model.h"

namespace rtdetr {
namespace {

/// With an encoder over all tokens, which leaves padding out, and a normalisation that makes black something.
DetectionModel padding_model() {
  std::string text = "mean: [0.4, 0.5, 0.6]\nstd: [0.2, 0.2, 0.2]\n" + test::kTinyModel;
  const std::string known = "variant: v2, ";
  text.replace(text.find(known), known.size(), known + "encoder_layers: 1, ");
  DetectionModel model = build_model(parse_model_spec(text, "padding.yaml"));
  model->eval();
  return model;
}

Detections one_box(const std::array<double, 4>& xyxy) {
  return {torch::tensor({xyxy[0], xyxy[1], xyxy[2], xyxy[3]}, torch::kFloat64).view({1, 4}), torch::ones({1}),
          torch::zeros({1}, torch::kInt64)};
}

}  // namespace

TEST_CASE("what the model finds lies in the picture, however that filled the input") {
  for (const Fit fit : {Fit::kStretch, Fit::kLetterbox, Fit::kKeepRatio}) {
    for (const PictureSize size : {PictureSize{100, 50}, {33, 77}, {1, 9}}) {
      const Placement placement = place(size, {64, 96}, fit);
      const std::array<double, 4> in_picture{0.25 * size.width, 0.5 * size.height, 0.75 * size.width,
                                             1.0 * size.height};
      std::array<double, 4> box = placement.to_input(in_picture);  // pixels of the input → of what postprocess is told
      const PictureSize told = sizes_of_boxes(std::array{placement}).front();
      for (const std::size_t i : {0, 2}) box[i] *= static_cast<double>(told.width) / placement.unit.width;
      for (const std::size_t i : {1, 3}) box[i] *= static_cast<double>(told.height) / placement.unit.height;
      Detections found = one_box(box);
      bring_into_picture(placement, found);
      INFO(static_cast<int>(fit) << " " << size.width << "x" << size.height);
      CHECK(torch::allclose(found.boxes_xyxy, one_box(in_picture).boxes_xyxy, 1e-9, 1e-9));
    }
  }
}

TEST_CASE("a box that ends in the letterbox's bars ends at the picture's edge") {
  const Placement placement = place({100, 50}, {96, 96}, Fit::kLetterbox);
  Detections found = one_box({-3, 0, 200, 96});
  bring_into_picture(placement, found);
  CHECK(torch::equal(found.boxes_xyxy, one_box({0, 0, 100, 50}).boxes_xyxy));
  Detections none{torch::zeros({0, 4}), torch::zeros({0}), torch::zeros({0}, torch::kInt64)};
  bring_into_picture(placement, none);
  CHECK(none.boxes_xyxy.size(0) == 0);
}

TEST_CASE("whatever padding holds, it is nothing to the model") {
  const torch::NoGradGuard no_grad;
  DetectionModel model = padding_model();
  const std::vector<PictureSize> sizes{{64, 40}, {50, 64}};
  const Tensor black = without_padding(torch::rand({2, 3, 64, 64}), sizes);
  Tensor coloured = black.clone();
  coloured[0].slice(1, 40).fill_(0.7);
  coloured[1].slice(2, 50).fill_(0.2);
  const Prediction expected = model->forward(black, {.valid_sizes = sizes}).layers.back(),
                   found = model->forward(coloured, {.valid_sizes = sizes}).layers.back();
  CHECK(torch::equal(found.logits, expected.logits));
  CHECK(torch::equal(found.boxes_cxcywh, expected.boxes_cxcywh));
  CHECK_FALSE(torch::equal(model->forward(coloured).layers.back().logits, model->forward(black).layers.back().logits));
}

TEST_CASE("the caller's pictures stay as they are") {
  const torch::NoGradGuard no_grad;
  const Tensor images = torch::rand({1, 3, 8, 8}), before = images.clone();
  const std::vector<PictureSize> sizes{{4, 6}};
  const Tensor blank = without_padding(images, sizes);
  CHECK(torch::equal(images, before));
  CHECK(blank.count_nonzero().item<std::int64_t>() == 3 * 4 * 6);
}

TEST_CASE("only a head that leaves padding out has its pictures padded") {
  CHECK_NOTHROW(require_fit(*padding_model(), Fit::kKeepRatio));
  DetectionModel other = test::tiny_model();
  CHECK_NOTHROW(require_fit(*other, Fit::kLetterbox));
  CHECK_THROWS_WITH(require_fit(*other, Fit::kKeepRatio), Catch::Contains("fit=letterbox"));
}

}  // namespace rtdetr
