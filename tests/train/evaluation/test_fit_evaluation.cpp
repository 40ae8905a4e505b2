#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <torch/types.h>

#include "core/image/picture.h"
#include "core/image/placement.h"
#include "data/loader/loader.h"
#include "models/graph/model_spec.h"
#include "tests/models/tiny_model.h"
#include "tests/support/temporary_folder.h"
#include "train/evaluation/evaluator.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kClasses = 3;

/// Adds a picture with a box of each class: all of it, a thin one and one at its edge.
void add_uneven(const std::filesystem::path& folder, const PictureSize& size, Dataset& dataset) {
  Dataset::PictureEntry entry;
  entry.id = std::ssize(dataset.pictures) + 1;
  entry.file = folder / (std::to_string(entry.id) + ".png");
  entry.width = size.width, entry.height = size.height;
  entry.first_box = static_cast<std::uint32_t>(dataset.boxes.size());
  entry.box_count = kClasses;
  write_picture(entry.file, Picture(size.width, size.height));
  const double w = size.width, h = size.height;
  const std::array<std::array<double, 4>, kClasses> boxes{
      {{0, 0, w, h}, {0.25 * w, 0.5 * h, 0.26 * w, 0.75 * h}, {0.5 * w, 0, w, 0.25 * h}}};
  for (std::int32_t label = 0; label < kClasses; ++label) {
    const auto& [x0, y0, x1, y1] = boxes[static_cast<std::size_t>(label)];
    const std::array corners{static_cast<float>(x0), static_cast<float>(y0), static_cast<float>(x1),
                             static_cast<float>(y1)};
    dataset.boxes.push_back({corners, label});
    dataset.truth.truths.push_back({.image_id = entry.id,
                                    .category_id = label,
                                    .annotation_id = std::ssize(dataset.boxes),
                                    .box_xywh = {x0, y0, x1 - x0, y1 - y0},
                                    .area = (x1 - x0) * (y1 - y0)});
  }
  dataset.truth.image_ids.push_back(entry.id);
  dataset.pictures.push_back(entry);
}

Dataset uneven_set(const std::filesystem::path& folder) {
  Dataset dataset;
  dataset.name = "uneven";
  dataset.classes = {{"a", "b", "c"}, {0, 1, 2}};
  dataset.truth.category_ids = {0, 1, 2};
  for (const PictureSize size : {PictureSize{101, 40}, {40, 101}, {64, 64}, {300, 11}, {9, 200}, {2, 2}, {1, 1}})
    add_uneven(folder, size, dataset);
  return dataset;
}

/// With an encoder over all tokens, which leaves padding out.
DetectionModel padding_model() {
  std::string text = test::kTinyModel;
  const std::string known = "variant: v2, ";
  text.replace(text.find(known), known.size(), known + "encoder_layers: 1, ");
  return build_model(parse_model_spec(text, "padding.yaml"));
}

/// What the evaluation is going to see.
std::vector<Batch> batches_of(const Dataset& dataset, const EvaluatorOptions& options, std::int64_t stride) {
  TransformOptions transforms;
  transforms.augment = false;
  transforms.height = options.height;
  transforms.width = options.width;
  transforms.stride = stride;
  transforms.fit = options.fit;
  LoaderOptions loading;
  loading.batch_size = options.batch;
  loading.threads = 0;
  loading.shuffle = loading.drop_last = false;
  Loader loader(dataset, transforms, loading);
  loader.start(0);
  std::vector<Batch> batches;
  while (auto batch = loader.next()) batches.push_back(std::move(*batch));
  return batches;
}

/// The batch's boxes as a query each.
ModelOutput truth_of(const Batch& batch) {
  std::vector<float> boxes;
  torch::Tensor logits = torch::full({batch.size, kClasses, kClasses}, -10.0);
  for (std::int64_t b = 0; b < batch.size; ++b) {
    const Batch::Image& image = batch.targets[static_cast<std::size_t>(b)];
    boxes.insert(boxes.end(), image.boxes_cxcywh.begin(), image.boxes_cxcywh.end());
    for (std::int64_t q = 0; q < kClasses; ++q) logits[b][q][image.labels.at(static_cast<std::size_t>(q))] = 10;
  }
  ModelOutput output;
  output.layers.push_back({logits, torch::tensor(boxes).view({batch.size, kClasses, 4})});
  return output;
}

}  // namespace

TEST_CASE("predictions that equal the truth have an AP of 1, however pictures fill the input") {
  at::set_num_threads(1);
  const test::TemporaryFolder temp;
  const Dataset dataset = uneven_set(temp.path());
  DetectionModel model = padding_model();
  for (const Fit fit : {Fit::kStretch, Fit::kLetterbox, Fit::kKeepRatio}) {
    EvaluatorOptions options{.height = 64, .width = 96, .batch = 3, .workers = 0, .fit = fit};
    const std::vector<Batch> batches = batches_of(dataset, options, model->stride());
    std::size_t next = 0;
    options.predictor = {.run =
                             [&](const torch::Tensor& images, std::span<const PictureSize> valid_sizes) {
                               const Batch& batch = batches.at(next++);
                               CHECK(images.size(3) == batch.width);
                               CHECK(std::ssize(valid_sizes) == (fit == Fit::kKeepRatio ? batch.size : 0));
                               return truth_of(batch);
                             },
                         .last_alone = true};
    INFO(word_of(fit, kFitWords));
    const Evaluation evaluation = *evaluate(model, dataset, options);
    CHECK(evaluation.detecting().metric.ap() == Approx(1.0).margin(1e-12));
    CHECK(next == batches.size());
  }
}

TEST_CASE("an evaluation of padded pictures leaves the padding out, and measures the model at a size that it takes") {
  at::set_num_threads(1);
  const test::TemporaryFolder temp;
  const Dataset dataset = uneven_set(temp.path());
  DetectionModel model = padding_model();
  EvaluatorOptions options{.height = 50, .width = 90, .batch = 1, .workers = 0, .fit = Fit::kKeepRatio};
  Evaluation alone = *evaluate(model, dataset, options);
  add_times(alone, model, options);
  CHECK(alone.layers.back().ms > 0);
  // By hand: the model over every padded picture with its size.
  const torch::NoGradGuard no_grad;
  std::vector<double> expected;
  for (const Batch& batch : batches_of(dataset, options, model->stride())) {
    const std::vector<PictureSize> sizes{batch.targets[0].placement.unit};
    const torch::Tensor images =
        torch::from_blob(const_cast<float*>(batch.images.data()), {1, 3, batch.height, batch.width});
    expected.push_back(
        model->forward(images, {.valid_sizes = sizes}).layers.back().logits.sigmoid().max().item<double>());
  }
  for (std::size_t i = 0; i < expected.size(); ++i) {
    double best = 0;
    for (const MetricDetection& found : alone.detections)
      if (found.image_id == dataset.pictures[i].id) best = std::max(best, found.score);
    CHECK(best == Approx(expected[i]).margin(1e-6));
  }
  DetectionModel other = test::tiny_model();
  CHECK_THROWS_WITH(evaluate(other, dataset, options), Catch::Contains("fit=letterbox"));
}

}  // namespace rtdetr
