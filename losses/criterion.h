#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/detection.h"

namespace rtdetr {

/// Weights and constants of matching and loss; defaults are the official recipe (spec/official §5).
struct CriterionOptions {
  double cost_class = 2, cost_bbox = 5, cost_giou = 2;   ///< matcher
  double cost_alpha = 0.25, cost_gamma = 2;
  double loss_class = 1, loss_bbox = 5, loss_giou = 2;
  double vfl_alpha = 0.75, vfl_gamma = 2;
  enum class Naming { kOfficialV1, kOfficialV2 } naming = Naming::kOfficialV2;  ///< `*_aux_{L-1}` or `*_enc_0` for the encoder
};

struct LossTerm {
  std::string name;  ///< loss_vfl, loss_bbox_aux_0, loss_giou_dn_2, …
  Tensor value;      ///< scalar, weighted
};

/// Pairs of one image: query and target indices, int64, queries ascending.
struct Match {
  std::vector<std::int64_t> queries;
  std::vector<std::int64_t> targets;
};

struct CriterionResult {
  Tensor total;                 ///< scalar: the sum of all terms
  std::vector<LossTerm> terms;  ///< always the same names for the same model, empty batches included
  std::map<std::string, std::vector<Match>> matches;  ///< "last", "aux_0", …, "enc" → per image
};

/// Set-prediction loss over decoder layers, encoder selection and denoising groups (spec/official §5.2).
/// @param num_boxes  boxes of the whole global batch divided by the number of processes; at least 1 is used
/// Computed in the predictions' float type, half types raised to float32; never NaN on finite input.
CriterionResult compute_losses(const ModelOutput& output, std::span<const Target> targets, double num_boxes,
                               const CriterionOptions& options = {});

}  // namespace rtdetr
