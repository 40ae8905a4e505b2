#include "models/heads/detr/query_selection.h"

#include <cmath>

#include <torch/types.h>

namespace rtdetr {
namespace {

constexpr double kLeast = 1e-6;  // a coordinate whose logit is taken; the largest is as far from 1

double logit(double x) { return std::log(x / (1 - x)); }

double finite_logit(double x) { return logit(std::min(std::max(x, kLeast), 1 - kLeast)); }

}  // namespace

bool is_official(double coordinate) {
  return coordinate > kLowestPercent / 100.0 && coordinate < kHighestPercent / 100.0;
}

double side_logit(double side) { return is_official(side) ? logit(side) : finite_logit(side); }

Anchors make_anchors(const std::vector<LevelShape>& levels, const AnchorOptions& options,
                     const torch::TensorOptions& tensor_options, const std::vector<LevelShape>& covered) {
  std::vector<double> logits;
  std::vector<std::uint8_t> valid;
  bool all_valid = true;
  double side = kFinestSide;
  for (std::size_t l = 0; l < levels.size(); ++l) {
    const LevelShape &level = levels[l], &picture = covered.empty() ? level : covered[l];
    for (std::int64_t row = 0; row < level.height; ++row) {
      for (std::int64_t column = 0; column < level.width; ++column) {
        const double box[4] = {(static_cast<double>(column) + 0.5) / static_cast<double>(picture.width),
                               (static_cast<double>(row) + 0.5) / static_cast<double>(picture.height), side, side};
        bool inside = true;
        for (const double v : box) inside = inside && is_official(v);
        const bool padding = row >= picture.height || column >= picture.width;
        const bool usable = !padding && (inside || !options.official_border);
        const auto finite = [&](double v) { return inside ? logit(v) : finite_logit(v); };
        for (const double v : box) logits.push_back(usable ? finite(v) : std::numeric_limits<double>::infinity());
        valid.push_back(usable);
        all_valid = all_valid && usable;
      }
    }
    side *= 2;
  }
  Anchors anchors;
  anchors.logits = torch::tensor(logits, torch::kFloat64).view({1, -1, 4}).to(tensor_options);
  if (!all_valid)
    anchors.valid = torch::tensor(valid, torch::kUInt8).view({1, -1, 1}).to(tensor_options.device(), torch::kBool);
  return anchors;
}

Anchors make_anchors_of_padded(const std::vector<LevelShape>& levels, const AnchorOptions& options,
                               const torch::TensorOptions& tensor_options,
                               const std::vector<std::vector<LevelShape>>& valid) {
  std::vector<torch::Tensor> logits, usable;
  for (const std::vector<LevelShape>& picture : valid) {
    const Anchors anchors = make_anchors(levels, options, tensor_options, picture);
    logits.push_back(anchors.logits);
    usable.push_back(anchors.valid.defined()
                         ? anchors.valid
                         : torch::ones({1, anchors.logits.size(1), 1}, tensor_options.dtype(torch::kBool)));
  }
  return {torch::cat(logits), torch::cat(usable)};
}

Anchors AnchorCache::get(const std::vector<LevelShape>& levels, const torch::TensorOptions& tensor_options) {
  return tables_.get(levels, tensor_options, [&] { return make_anchors(levels, options_, tensor_options); });
}

torch::Tensor select_queries(const torch::Tensor& logits, std::int64_t count, QuerySelection method) {
  const auto take = std::min(count, logits.size(1));
  if (method == QuerySelection::kBestClass) return std::get<1>(logits.amax(-1).topk(take, 1));
  return std::get<1>(logits.flatten(1).topk(take, 1)).div(logits.size(2), "floor");
}

torch::Tensor gather_tokens(const torch::Tensor& tokens, const torch::Tensor& indices) {
  return tokens.gather(1, indices.unsqueeze(-1).expand({-1, -1, tokens.size(2)}));
}

}  // namespace rtdetr
