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

/// The largest difference of each query, added up.
double moved_between(const OrderedOutput& a, const OrderedOutput& b) {
  const torch::Tensor of_scores = (a.scores - b.scores).abs().amax(-1), of_boxes = (a.boxes - b.boxes).abs().amax(-1);
  return torch::maximum(of_scores, of_boxes).sum().item<double>();
}

/// [Q] true where a token of `a` is in `b` too. Both ascend.
torch::Tensor is_among(const torch::Tensor& a, const torch::Tensor& b) {
  const torch::Tensor at = torch::searchsorted(b, a).clamp_max(b.size(0) - 1);
  return b.index_select(0, at).eq(a);
}

/// The picture's queries whose tokens `shared` marks.
OrderedOutput picked(const OrderedOutput& output, std::int64_t picture, const torch::Tensor& shared) {
  const auto rows = [&](const torch::Tensor& all) { return all[picture].index({shared}); };
  return {{}, rows(output.scores), rows(output.boxes)};
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

double RoundingCost::mean() const {
  const std::int64_t shared = queries - other_queries;
  return shared > 0 ? moved / static_cast<double>(shared) : std::numeric_limits<double>::infinity();
}

RoundingCost sum_of(const RoundingCost& a, const RoundingCost& b) {
  return {worse_of(a.difference, b.difference), a.queries + b.queries, a.other_queries + b.other_queries,
          a.moved + b.moved};
}

RoundingCost compare_rounded(DetectionModel& original, DetectionModel& rounded, const torch::Tensor& input) {
  return rounding_cost(ordered_output_of(original, input), ordered_output_of(rounded, input));
}

RoundingCost rounding_cost(const OrderedOutput& a, const OrderedOutput& b) {
  RoundingCost cost;
  if (!a.tokens.defined()) return {difference_of(a, b), a.scores.size(0) * a.scores.size(1), 0, moved_between(a, b)};
  for (std::int64_t picture = 0; picture < a.tokens.size(0); ++picture) {
    const torch::Tensor in_b = is_among(a.tokens[picture], b.tokens[picture]),
                        in_a = is_among(b.tokens[picture], a.tokens[picture]);
    const std::int64_t queries = in_b.numel(), shared = in_b.sum().item<std::int64_t>();
    RoundingCost of_picture{{}, queries, queries - shared, 0};
    if (shared > 0) {
      const OrderedOutput of_a = picked(a, picture, in_b), of_b = picked(b, picture, in_a);
      of_picture.difference = difference_of(of_a, of_b);
      of_picture.moved = moved_between(of_a, of_b);
    }
    cost = sum_of(cost, of_picture);
  }
  return cost;
}

}  // namespace rtdetr
