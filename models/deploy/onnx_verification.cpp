#include "models/deploy/onnx_verification.h"

#include <algorithm>
#include <limits>
#include <memory>

#include <torch/types.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/tensor/box_ops.h"

namespace rtdetr {
namespace {

/// Of a picture that there is none of: the sides differ.
constexpr int kPictureWidth = 640, kPictureHeight = 480;

/// Of the tolerance of a prediction, for maps: a small fault may grow from row to row. float32's rounding, about 1e-6
/// of a map's largest value, stays far below.
constexpr double kRowShare = 0.1;

/// Between scores of equal logits: a vector's sigmoid may be rounded otherwise than a single number's.
constexpr double kEqualScore = 1e-6;

constexpr double kInfinite = std::numeric_limits<double>::infinity();

OnnxValues inputs_of(const OnnxModel& model, const Tensor& images) {
  OnnxValues inputs{{"images", images}};
  if (model.graph.inputs.size() > 1)
    inputs["orig_target_sizes"] =
        torch::tensor({kPictureWidth, kPictureHeight}, torch::kInt64).repeat({images.size(0), 1});
  return inputs;
}

/// Detections as rows of score, class and corners in fractions: what order they are in does not matter then.
Tensor detection_rows(const Tensor& scores, const Tensor& labels, const Tensor& corners) {
  const Tensor first = torch::stack({scores.to(torch::kFloat64), labels.to(torch::kFloat64)}, -1);
  return torch::cat({first, corners.to(torch::kFloat64)}, -1);
}

/// The prediction as a suppressing head's table says it: [B, 4 + C, Q], boxes in pixels of the input, and scores.
Tensor column_table(const Prediction& prediction, const Tensor& sides) {
  return torch::cat({prediction.boxes_cxcywh * sides, prediction.logits.sigmoid()}, -1).transpose(1, 2);
}

/// Infinite where there is no number.
double largest_number(const Tensor& distances) {
  const double largest = distances.numel() == 0 ? 0.0 : distances.max().item<double>();
  return std::isfinite(largest) ? largest : kInfinite;
}

double largest_of_nearest(const Tensor& distances) {
  return distances.numel() == 0 ? 0.0 : largest_number(distances.amin(1));
}

/// How far the rows [D, 6] of a picture are from being its D best. Each has to be one of `all` [R, 6], best first, and
/// each of these that scores above the D-th has to be there: of those that score as much as that any may be.
double distance_to_best(const Tensor& found, const Tensor& all) {
  const auto count = found.size(0);
  if (count == 0 || count > all.size(0)) return kInfinite;
  const Tensor scores = all.select(1, 0), last = scores[count - 1];
  const Tensor candidates = all.index({scores.ge(last - kEqualScore)}),
               certain = all.index({scores.gt(last + kEqualScore)});
  return std::max(largest_of_nearest(torch::cdist(found, candidates, kInfinite)),
                  largest_of_nearest(torch::cdist(certain, found, kInfinite)));
}

/// The last node of every row, "3.RepC3": its value is the row's map.
struct RowValue {
  std::size_t row = 0;
  std::string module, value;
};

std::vector<RowValue> row_values(const OnnxGraph& graph) {
  std::vector<RowValue> rows;
  for (const OnnxNode& node : graph.nodes) {
    const auto dot = node.name.find('.'), slash = node.name.find('/');
    const std::string number = node.name.substr(0, dot);
    const bool of_row = slash != std::string::npos && dot < slash && !number.empty() &&
                        number.find_first_not_of("0123456789") == std::string::npos;
    if (!of_row) continue;
    const std::size_t row = std::stoul(number);
    if (rows.empty() || rows.back().row != row) rows.push_back({row, node.name.substr(dot + 1, slash - dot - 1), {}});
    rows.back().value = node.outputs.front();
  }
  return rows;
}

std::string described(const RowValue& row) { return "row " + std::to_string(row.row) + " (" + row.module + ")"; }

bool differs(const Tensor& found, const Tensor& expected, double tolerance) {
  if (!found.sizes().equals(expected.sizes())) return true;
  const double largest = (found.to(expected.scalar_type()) - expected).abs().max().item<double>();
  return !(largest <= tolerance * expected.abs().max().item<double>());
}

}  // namespace

OnnxVerification::OnnxVerification(DetectionModel model, OnnxExport written)
    : model_(std::move(model)), written_(std::move(written)), evaluator_(written_.model) {}

std::vector<std::string> OnnxVerification::names_of_prediction() const {
  std::vector<std::string> names{written_.logits, written_.boxes};
  if (!written_.tokens.empty()) names.push_back(written_.tokens);
  return names;
}

OnnxValues OnnxVerification::evaluate(const Tensor& input) const {
  std::vector<std::string> wanted = names_of_prediction();
  for (const OnnxValueInfo& output : written_.model.graph.outputs) wanted.push_back(output.name);
  return evaluator_.run(inputs_of(written_.model, input.cpu()), wanted);
}

/// Logits of half types are raised to float32 before the sigmoid.
OrderedOutput OnnxVerification::ordered_prediction(const OnnxValues& values) const {
  const Tensor tokens = written_.tokens.empty() ? Tensor() : values.at(written_.tokens);
  const Tensor &logits = values.at(written_.logits), &boxes = values.at(written_.boxes);
  return ordered_output({logits.to(boxes.scalar_type()), boxes}, tokens);
}

OnnxVerification::RoundedComparison OnnxVerification::compare_rounded(const Tensor& input) {
  const OnnxValues found = evaluate(input);
  const OrderedOutput of_file = ordered_prediction(found);
  RoundingCost cost = followed_cost(model_, input, of_file, kFloat16Tolerance);
  if (cost.most_are_others()) {
    const FollowedOutput followed = followed_output(model_, input, of_file, kFloat16Tolerance);
    cost = rounding_cost(followed.output, of_file);
    cost.other_queries = followed.worse;
  }
  return {cost, compare_outputs(input, found).max_abs};
}

OutputDifference OnnxVerification::compare(const Tensor& input) {
  const OnnxValues found = evaluate(input);
  const OutputDifference a = compare_predictions(input, found), b = compare_outputs(input, found);
  return {std::max(a.max_abs, b.max_abs), std::max(a.max_abs_scores, b.max_abs_scores),
          std::max(a.max_abs_boxes, b.max_abs_boxes)};
}

OutputDifference OnnxVerification::compare_predictions(const Tensor& input, const OnnxValues& found) {
  const OrderedOutput of_file = ordered_prediction(found);
  return difference_of(of_file, followed_output(model_, input, of_file, kEqualScores));
}

OutputDifference OnnxVerification::compare_outputs(const Tensor& input, const OnnxValues& found) {
  if (!model_->head().suppresses() || !found.contains("output0")) return compare_detections(found);
  const Tensor& boxes = found.at(written_.boxes);
  const auto width = static_cast<double>(input.size(3)), height = static_cast<double>(input.size(2));
  const Tensor sides = torch::tensor({width, height, width, height}, boxes.options());
  const Tensor expected = column_table({found.at(written_.logits).to(boxes.scalar_type()), boxes}, sides);
  const Tensor& table = found.at("output0");
  if (!table.sizes().equals(expected.sizes())) return {kInfinite, kInfinite, kInfinite};
  const Tensor apart = (table - expected).to(torch::kFloat64).abs();
  const double of_boxes = largest_number(apart.slice(1, 0, 4) / sides.view({1, 4, 1})),
               of_scores = largest_number(apart.slice(1, 4));
  return {std::max(of_boxes, of_scores), of_scores, of_boxes};
}

OutputDifference OnnxVerification::compare_detections(const OnnxValues& found) {
  const Prediction prediction{found.at(written_.logits), found.at(written_.boxes)};
  const bool official = found.contains("scores"), table = found.contains("output0");
  if (!official && !table) return {};
  const Tensor scores = official ? found.at("scores") : found.at("output0").select(2, 4);
  const Tensor labels = official ? found.at("labels") : found.at("output0").select(2, 5);
  const PictureSize size{official ? kPictureWidth : 1, official ? kPictureHeight : 1};
  const auto sides = torch::tensor({size.width, size.height, size.width, size.height}, torch::kFloat64);
  const Tensor corners =
      official ? found.at("boxes") / sides : cxcywh_to_xyxy(found.at("output0").slice(2, 0, 4)).to(torch::kFloat64);

  const Tensor rows = detection_rows(scores, labels, corners);
  const std::vector<PictureSize> sizes(static_cast<std::size_t>(scores.size(0)), size);
  const auto pictures = model_->head().postprocess(prediction, sizes, {.max_detections = prediction.logits[0].numel()});
  OutputDifference difference;
  for (std::size_t b = 0; b < pictures.size(); ++b) {
    const Detections& all = pictures[b];
    const double distance = distance_to_best(rows[static_cast<std::int64_t>(b)],
                                             detection_rows(all.scores, all.labels, all.boxes_xyxy / sides));
    difference.max_abs = std::max(difference.max_abs, distance);
  }
  difference.max_abs_scores = difference.max_abs_boxes = difference.max_abs;
  return difference;
}

std::string OnnxVerification::first_difference(const Tensor& input, double tolerance) {
  const std::vector<RowValue> rows = row_values(written_.model.graph);
  std::vector<std::string> wanted = names_of_prediction();
  for (const RowValue& row : rows) wanted.push_back(row.value);
  const OnnxValues found = evaluator_.run(inputs_of(written_.model, input.cpu()), wanted);

  const torch::NoGradGuard no_grad;
  model_->eval();
  MapProbe probe;
  probe.every_row = true;
  ForwardOptions options;
  options.probe = &probe;
  model_->forward(input, options);
  for (const RowValue& row : rows) {
    if (row.row >= probe.rows.size()) continue;  // the head's
    if (differs(found.at(row.value), probe.rows[row.row].cpu(), tolerance)) return described(row);
  }
  const bool same = compare_predictions(input, found).max_abs <= tolerance;
  return same || rows.empty() ? "the outputs" : described(rows.back());
}

OutputDifference verify_onnx(DetectionModel model, const OnnxExport& written, const std::vector<Tensor>& inputs,
                             double tolerance, const std::string& consequence, const AfterInput& after_input) {
  OnnxVerification verification(std::move(model), written);
  OutputDifference worst;
  std::size_t done = 0;
  for (const Tensor& input : inputs) {
    const OutputDifference difference = verification.compare(input);
    if (!(difference.max_abs <= tolerance))
      throw InternalError("the ONNX file's numbers differ from the model's by " + format_double(difference.max_abs) +
                          ", more than " + format_double(tolerance) + "; the difference begins in " +
                          verification.first_difference(input, tolerance * kRowShare) + "; " + consequence);
    worst = worse_of(worst, difference);
    if (after_input) after_input(++done);
  }
  return worst;
}

RoundingCost verify_float16_onnx(DetectionModel model, const OnnxExport& written, const std::vector<Tensor>& inputs,
                                 double tolerance, const std::string& consequence, const AfterInput& after_input) {
  OnnxVerification verification(std::move(model), written);
  RoundingCost total;
  std::size_t done = 0;
  for (const Tensor& input : inputs) {
    const auto found = verification.compare_rounded(input);
    const RoundingCost& cost = found.prediction;
    if (!(found.outputs <= tolerance))
      throw InternalError("the float16 file's outputs are not what its prediction says; " + consequence);
    if (!(cost.mean() <= kFloat16Tolerance) || cost.most_are_others())
      throw InternalError("in float16 the ONNX file's queries move by " + format_double(cost.mean()) +
                          " on average, more than " + format_double(kFloat16Tolerance) + ", and " +
                          std::to_string(cost.other_queries) + " of " + std::to_string(cost.queries) +
                          " are others; the difference begins in " +
                          verification.first_difference(input, kFloat16Tolerance) + "; " + consequence);
    total = sum_of(total, cost);
    if (after_input) after_input(++done);
  }
  return total;
}

std::function<Prediction(const Tensor&)> onnx_predictor(const OnnxExport& written, torch::Device device) {
  const auto evaluator = std::make_shared<OnnxEvaluator>(written.model, OnnxEvaluation{.device = device});
  const std::vector<std::string> wanted{written.logits, written.boxes};
  // Sizes are for outputs that are not asked for here.
  const bool takes_sizes = written.model.graph.inputs.size() > 1;
  return [=](const Tensor& images) {
    OnnxValues inputs{{"images", images}};
    if (takes_sizes) inputs["orig_target_sizes"] = torch::ones({images.size(0), 2}, torch::kInt64);
    const OnnxValues found = evaluator->run(inputs, wanted);
    return Prediction{found.at(wanted[0]).to(torch::kFloat32), found.at(wanted[1]).to(torch::kFloat32)};
  };
}

}  // namespace rtdetr
