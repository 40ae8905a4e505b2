#include "train/loop/transfer_table.h"

#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/base/text.h"
#include "models/layers/module_tree.h"
#include "tests/models/tiny_model.h"
#include "train/optim/freeze.h"

namespace rtdetr {

using Catch::Matchers::Contains;
using test::tiny_model;

namespace {

TensorMap weights_of(const DetectionModel& model) {
  TensorMap tensors;
  for (const auto& [key, tensor] : named_state(*model)) tensors.emplace(key, tensor);
  return tensors;
}

/// The cells of the table's row that begins so, without the part's name.
std::vector<std::string> row_of(const std::string& table, const std::string& part) {
  for (const std::string& line : split(table, '\n')) {
    if (!std::string(trim(line)).starts_with(part + " ")) continue;
    std::vector<std::string> cells;
    for (const std::string& cell : split(trim(line).substr(part.size()), ' '))
      if (!cell.empty()) cells.push_back(cell);
    return cells;
  }
  return {};
}

using Cells = std::vector<std::string>;

}  // namespace

TEST_CASE("the table of a transfer has a row per part: taken, row by row, initial, unused, frozen") {
  DetectionModel source = tiny_model(1), target = tiny_model(2);
  freeze_parameters(*target, "^model\\.");
  TensorMap weights = weights_of(source);
  weights.erase("decoder.decoder.layers.0.norm1.weight");
  weights["decoder.query_pos_head.layers.0.bias"] = torch::zeros({5});
  weights.emplace("criterion.weight", torch::zeros({1}));
  const auto report = transfer_weights(*target, {"a", "new", "c"}, weights, {"a", "b", "c"});
  const std::string table = transfer_table(report, target);
  INFO(table);
  CHECK(row_of(table, "backbone") == Cells{"18", "0", "0", "0", "18"});  // statistics of frozen norms, too
  CHECK(row_of(table, "score heads") == Cells{"8", "8", "0", "0", "0"});
  CHECK(row_of(table, "denoising embedding") == Cells{"1", "1", "0", "0", "0"});
  CHECK(row_of(table, "elsewhere") == Cells{"0", "0", "0", "1", "0"});
  CHECK(row_of(table, "decoder layers").at(2) == "1");
  CHECK(row_of(table, "queries").at(2) == "1");
  CHECK_THAT(table,
             Contains("decoder layers: 1 not in the file, e.g.") && Contains("decoder.decoder.layers.0.norm1.weight"));
  CHECK_THAT(table, Contains("queries: 1 of another shape") && Contains("decoder.query_pos_head.layers.0.bias [5]"));
  CHECK_THAT(table, Contains("elsewhere: 1 of the file that the model does not have, e.g. criterion.weight"));
  CHECK_THAT(table, Contains("classes: 2 of the model's 3 are in the file by name; the rows of the others begin"));
  CHECK_THAT(table, !Contains("decoder layers, the model"));
  CHECK(table.back() != '\n');
}

TEST_CASE("the table of a transfer counts score heads without a class in common as initial") {
  DetectionModel source = tiny_model(1), target = tiny_model(2);
  const std::vector<std::string> theirs{"a", "b", "c"}, ours{"x", "y", "z"};
  const std::string table = transfer_table(transfer_weights(*target, ours, weights_of(source), theirs), target);
  INFO(table);
  CHECK(row_of(table, "score heads") == Cells{"0", "0", "8", "0", "0"});
  CHECK(row_of(table, "denoising embedding") == Cells{"0", "0", "1", "0", "0"});
  CHECK_THAT(table, Contains("score heads: 8 with no class in common, e.g."));
  CHECK_THAT(table, Contains("classes: 0 of the model's 3 are in the file by name"));
}

TEST_CASE("the table of a transfer says another decoder depth, in either direction, where layers are taken") {
  DetectionModel three = tiny_model(1);
  BuildOptions options;
  options.decoder_layers = 2;
  DetectionModel two = build_model(parse_model_spec(test::kTinyModel, "tiny.yaml"), options);
  const std::vector<std::string> classes{"a", "b", "c"};
  const TensorMap of_three = weights_of(three), of_two = weights_of(two);
  CHECK_THAT(transfer_table(transfer_weights(*two, classes, of_three, classes), two),
             Contains("the file has 3 decoder layers, the model 2: the first 2 are taken"));
  CHECK_THAT(transfer_table(transfer_weights(*three, classes, of_two, classes), three),
             Contains("the file has 2 decoder layers, the model 3: those behind the first 2 begin untrained"));
  CHECK_THAT(transfer_table(transfer_weights(*two, classes, of_three, classes, WeightsParts::kBackbone), two),
             !Contains("the file has") && !Contains("classes:"));
}

}  // namespace rtdetr
