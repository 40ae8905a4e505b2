#pragma once

#include <array>
#include <memory>
#include <vector>

#include "core/base/choices.h"
#include "train/optim/adamw.h"
#include "train/optim/muon.h"
#include "train/optim/sgd.h"

namespace rtdetr {

enum class OptimizerKind { kAdamW, kSgd, kMuon };
inline constexpr std::array<Choice<OptimizerKind>, 3> kOptimizerWords{
    {{"adamw", OptimizerKind::kAdamW}, {"sgd", OptimizerKind::kSgd}, {"muon", OptimizerKind::kMuon}}};

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::kAdamW;
  AdamWOptions adamw;  ///< of Muon, too
  SgdOptions sgd;
  MuonOptions muon;
};

/// @throws InternalError  if a parameter is in two groups
inline std::unique_ptr<Optimizer> make_optimizer(std::vector<ParameterGroup> groups, const OptimizerOptions& options) {
  if (options.kind == OptimizerKind::kSgd) return std::make_unique<Sgd>(std::move(groups), options.sgd);
  if (options.kind == OptimizerKind::kMuon)
    return std::make_unique<Muon>(std::move(groups), options.muon, options.adamw);
  return std::make_unique<AdamW>(std::move(groups), options.adamw);
}

}  // namespace rtdetr
