#include "models/deploy/output_comparison.h"

#include <algorithm>
#include <limits>

#include <torch/types.h>

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

/// [Q] true where a token of `a` is in `b` too, as often as it is there. Both ascend.
torch::Tensor is_among(const torch::Tensor& a, const torch::Tensor& b) {
  const torch::Tensor own = a.contiguous(), others = b.contiguous();
  torch::Tensor shared = torch::zeros({own.size(0)}, torch::kBool);
  const auto *x = own.const_data_ptr<std::int64_t>(), *y = others.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0, j = 0; i < own.size(0) && j < others.size(0);) {
    const bool equal = x[i] == y[j], behind = x[i] < y[j];
    if (equal) shared[i] = true;
    i += equal || behind;
    j += equal || !behind;
  }
  return shared;
}

/// The picture's queries whose tokens `shared` marks.
OrderedOutput picked(const OrderedOutput& output, std::int64_t picture, const torch::Tensor& shared) {
  const auto rows = [&](const torch::Tensor& all) { return all[picture].index({shared}); };
  return {{}, rows(output.scores), rows(output.boxes), {}};
}

/// The least logit with which a picture's tokens were selected: by their best class, or as pairs of token and class,
/// where a token may come several times.
double least_selected(const torch::Tensor& logits, const torch::Tensor& tokens) {
  const auto [ascending, order] = tokens.sort();
  const torch::Tensor before = torch::cat({ascending.narrow(0, 0, 1) - 1, ascending.narrow(0, 0, tokens.size(0) - 1)});
  const torch::Tensor pairs = logits.index_select(0, order.index({ascending.ne(before)})).flatten();
  const torch::Tensor taken = std::get<0>(pairs.topk(tokens.size(0)));
  return std::min(logits.amax(-1).min().item<double>(), taken.min().item<double>());
}

/// How many tokens of `followed` no choice of equal scores would have, or not in their place if ranks count.
std::int64_t worse_tokens(const ModelOutput& own, const ModelOutput& followed, double tolerance, bool by_rank) {
  std::int64_t worse = 0;
  for (std::int64_t picture = 0; picture < own.topk_indices.size(0); ++picture) {
    const torch::Tensor logits = own.encoder.logits[picture];
    const double least = least_selected(logits, own.topk_indices[picture]);
    const double room = tolerance * logits.abs().max().item<double>();
    const torch::Tensor best = logits.amax(-1), theirs = followed.encoder.logits[picture].amax(-1);
    worse += theirs.lt(least - room).sum().item<std::int64_t>();
    const bool best_first = best.diff().le(0).all().item<bool>();  // which those of the best pairs need not be
    if (by_rank && best_first) worse += (best - theirs).abs().gt(room).sum().item<std::int64_t>();
  }
  return worse;
}

ModelOutput evaluated(DetectionModel& model, const torch::Tensor& input, const torch::Tensor& tokens = {}) {
  const torch::NoGradGuard no_grad;
  model->eval();
  ForwardOptions options;
  if (tokens.defined()) options.tokens = tokens.to(input.device());
  return model->forward(input, options);
}

OrderedOutput on_cpu(const ModelOutput& output) {
  OrderedOutput ordered = ordered_output(output.layers.back(), output.topk_indices);
  for (torch::Tensor* tensor : {&ordered.tokens, &ordered.scores, &ordered.boxes, &ordered.ranked})
    if (tensor->defined()) *tensor = tensor->cpu();
  return ordered;
}

}  // namespace

OrderedOutput ordered_output(const Prediction& last, const torch::Tensor& tokens) {
  if (!tokens.defined()) return {{}, last.logits.sigmoid(), last.boxes_cxcywh, {}};
  const auto [ascending, order] = tokens.sort(1);
  return {ascending, rows_in_order(last.logits.sigmoid(), order), rows_in_order(last.boxes_cxcywh, order), tokens};
}

OrderedOutput ordered_output_of(DetectionModel& model, const torch::Tensor& input) {
  return on_cpu(evaluated(model, input));
}

FollowedOutput followed_output(DetectionModel& model, const torch::Tensor& input, const OrderedOutput& other,
                               double tolerance) {
  const ModelOutput own = evaluated(model, input);
  OrderedOutput ordered = on_cpu(own);
  if (!other.tokens.defined() || !ordered.tokens.defined()) return {ordered, 0};
  const bool by_rank = model->head().has_learnt_queries();
  if (by_rank ? other.ranked.equal(ordered.ranked) : other.tokens.equal(ordered.tokens)) return {ordered, 0};
  const ModelOutput followed = evaluated(model, input, by_rank ? other.ranked : other.tokens);
  return {on_cpu(followed), worse_tokens(own, followed, tolerance, by_rank)};
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
  const OrderedOutput of_a = ordered_output_of(a, input);
  return difference_of(of_a, followed_output(b, input, of_a, kEqualScores));
}

OutputDifference difference_of(const OrderedOutput& a, const FollowedOutput& b) {
  OutputDifference difference = difference_of(a, b.output);
  if (b.worse > 0) difference.max_abs = std::numeric_limits<double>::infinity();
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
  return followed_cost(original, input, ordered_output_of(rounded, input), kEqualScores);
}

RoundingCost followed_cost(DetectionModel& original, const torch::Tensor& input, const OrderedOutput& rounded,
                           double tolerance) {
  RoundingCost cost = rounding_cost(ordered_output_of(original, input), rounded);
  if (!rounded.tokens.defined() || !original->head().has_learnt_queries()) return cost;
  const std::int64_t others = cost.other_queries;
  cost = rounding_cost(followed_output(original, input, rounded, tolerance).output, rounded);
  cost.other_queries = others;
  return cost;
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
