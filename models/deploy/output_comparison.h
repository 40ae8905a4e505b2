#pragma once

#include <torch/types.h>

#include "models/graph/model.h"

namespace rtdetr {

/// Largest differences of two models' final predictions.
struct OutputDifference {
  double max_abs = 0;         ///< the larger of the two below
  double max_abs_scores = 0;  ///< of scores in [0, 1]
  double max_abs_boxes = 0;   ///< of cxcywh, fractions of the picture
};

/// Final predictions in the order of their tokens, or as they come from a head that selects none.
struct OrderedOutput {
  torch::Tensor tokens;  ///< [B, Q] ascending; undefined without a selection
  torch::Tensor scores;  ///< [B, Q, C]
  torch::Tensor boxes;   ///< [B, Q, 4]
  torch::Tensor ranked;  ///< the tokens as they were selected, best first
};
/// @param tokens  ModelOutput::topk_indices, or undefined
OrderedOutput ordered_output(const Prediction& last, const torch::Tensor& tokens);
/// What the model predicts, in evaluation mode, on the CPU.
OrderedOutput ordered_output_of(DetectionModel& model, const torch::Tensor& input);

/// What the model predicts of the tokens that another selected.
struct FollowedOutput {
  OrderedOutput output;
  /// Tokens that it scores below all that it selects itself. Of equal scores any choice is right: a flat picture has
  /// many, and which of them are taken is up to the program that sorts. Where ranks are followed, tokens of another
  /// score than its own of that rank count, too.
  std::int64_t worse = 0;
};
/// Where queries are learnt, each goes with a rank, and two tokens of nearly equal score that change places change what
/// becomes of both: the ranks are followed, too.
/// @param other      whose tokens are followed; without any, the model's own are taken
/// @param tolerance  of the largest logit, between scores that count as equal
FollowedOutput followed_output(DetectionModel& model, const torch::Tensor& input, const OrderedOutput& other,
                               double tolerance);
inline constexpr double kEqualScores = 1e-4;  ///< that tolerance between two float32 programs
/// Of outputs with the same tokens.
OutputDifference difference_of(const OrderedOutput& a, const OrderedOutput& b);
/// Infinite where the selection that `b` followed is worse than its own.
OutputDifference difference_of(const OrderedOutput& a, const FollowedOutput& b);
OutputDifference worse_of(const OutputDifference& a, const OutputDifference& b);

/// Runs both models on `input` and compares the last decoder layer. Queries are told apart by the encoder token they
/// come from, for rounding may swap two tokens of nearly equal score. Where it even changes which tokens are selected,
/// `b` follows the choice of `a`; the difference is infinite if its own would have been better by more than
/// kEqualScores.
/// @param input  [B, 3, H, W] float32
OutputDifference compare_outputs(DetectionModel& a, DetectionModel& b, const torch::Tensor& input);

/// How far rounded weights move a model: its queries come from other tokens here and there, and those from the same
/// tokens are compared.
struct RoundingCost {
  OutputDifference difference;                  ///< of the queries that both have
  std::int64_t queries = 0, other_queries = 0;  ///< in all, and from tokens that only one of them selects
  double moved = 0;                             ///< the largest difference of each query that both have, added up

  /// How far a query moves on average; infinite if no query is left. One that is torn between two boxes may jump from
  /// one to the other, whatever the rounding; a fault moves them all.
  double mean() const;
  bool most_are_others() const { return 2 * other_queries > queries; }
};
RoundingCost sum_of(const RoundingCost& a, const RoundingCost& b);
RoundingCost compare_rounded(DetectionModel& original, DetectionModel& rounded, const torch::Tensor& input);
/// The same of what a rounded model has put out. Where queries are learnt, rounding changes their ranks, and with them
/// what becomes of their tokens: that is taken out, for the original follows the tokens as they were ranked.
RoundingCost followed_cost(DetectionModel& original, const torch::Tensor& input, const OrderedOutput& rounded,
                           double tolerance);
RoundingCost rounding_cost(const OrderedOutput& original, const OrderedOutput& rounded);

}  // namespace rtdetr
