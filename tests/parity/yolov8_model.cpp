#include "tests/parity/yolov8_model.h"

#include <torch/types.h>

#include <catch2/catch.hpp>

#include "models/graph/model_files.h"
#include "tests/support/fill.h"

namespace rtdetr::test {

DetectionModel build_yolov8(const Fixture& fixture) {
  BuildOptions options;
  options.initial_weights = false;
  const std::string name = fixture.json["name"];  // "yolov8n", "yolov8n_crowd"
  DetectionModel model = build_model(load_model_spec(name.substr(0, name.find('_')) + ".yaml"), options);
  model->to(torch::kFloat64);
  fill_by_rule(*model);
  multiply_convolutions(*model, fixture.json["fill"]["conv_gain"]);
  return model;
}

const DenseExtras& dense_extras_of(const ModelOutput& output) {
  const auto* extras = dynamic_cast<const DenseExtras*>(output.extras.get());
  REQUIRE(extras);
  return *extras;
}

Tensor raw_sides(const DenseExtras& extras) { return extras.sides.detach().flatten(2).transpose(1, 2); }

}  // namespace rtdetr::test
