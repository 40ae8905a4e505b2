#include "models/deploy/output_comparison.h"

#include <algorithm>
#include <limits>

#include <torch/torch.h>

namespace rtdetr {

namespace {

torch::Tensor rows_in_order(const torch::Tensor& rows, const torch::Tensor& order) {
  return rows.gather(1, order.unsqueeze(-1).expand({-1, -1, rows.size(-1)}));
}

double largest(const torch::Tensor& difference) {
  const double value = difference.abs().max().item<double>();
  return std::isfinite(value) ? value : std::numeric_limits<double>::infinity();
}

}  // namespace

OrderedOutput ordered_output(const Prediction& last, const torch::Tensor& tokens) {
  if (!tokens.defined()) return {{}, last.logits.sigmoid(), last.boxes_cxcywh};
  const auto [ascending, order] = tokens.sort(1);
  return {ascending, rows_in_order(last.logits.sigmoid(), order), rows_in_order(last.boxes_cxcywh, order)};
}

OrderedOutput ordered_output_of(DetectionModel& model, const torch::Tensor& input) {
  const torch::NoGradGuard no_grad;
  model->eval();
  const ModelOutput output = model->forward(input);
  OrderedOutput ordered = ordered_output(output.layers.back(), output.topk_indices);
  for (torch::Tensor* tensor : {&ordered.tokens, &ordered.scores, &ordered.boxes})
    if (tensor->defined()) *tensor = tensor->cpu();
  return ordered;
}

OutputDifference difference_of(const OrderedOutput& a, const OrderedOutput& b) {
  OutputDifference difference;
  difference.max_abs_scores = largest(a.scores - b.scores);
  difference.max_abs_boxes = largest(a.boxes - b.boxes);
  difference.max_abs = std::max(difference.max_abs_scores, difference.max_abs_boxes);
  return difference;
}

OutputDifference worse_of(const OutputDifference& a, const OutputDifference& b) {
  return a.max_abs >= b.max_abs ? a : b;
}

OutputDifference compare_outputs(DetectionModel& a, DetectionModel& b, const torch::Tensor& input) {
  const OrderedOutput of_a = ordered_output_of(a, input), of_b = ordered_output_of(b, input);
  if (!of_a.tokens.defined() || of_a.tokens.equal(of_b.tokens)) return difference_of(of_a, of_b);
  a->to(torch::kFloat64);
  b->to(torch::kFloat64);
  const torch::Tensor precise = input.to(torch::kFloat64);
  const OutputDifference difference = difference_of(ordered_output_of(a, precise), ordered_output_of(b, precise));
  a->to(torch::kFloat32);
  b->to(torch::kFloat32);
  return difference;
}

}  // namespace rtdetr
