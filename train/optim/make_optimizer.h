#pragma once

#include <array>
#include <memory>
#include <vector>

#include "core/base/choices.h"
#include "train/optim/adamw.h"
#include "train/optim/sgd.h"

namespace rtdetr {

enum class OptimizerKind { kAdamW, kSgd };
inline constexpr std::array<Choice<OptimizerKind>, 2> kOptimizerWords{
    {{"adamw", OptimizerKind::kAdamW}, {"sgd", OptimizerKind::kSgd}}};

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::kAdamW;
  AdamWOptions adamw;
  SgdOptions sgd;
};

/// @throws InternalError  if a parameter is in two groups
inline std::unique_ptr<Optimizer> make_optimizer(std::vector<ParameterGroup> groups, const OptimizerOptions& options) {
  if (options.kind == OptimizerKind::kSgd) return std::make_unique<Sgd>(std::move(groups), options.sgd);
  return std::make_unique<AdamW>(std::move(groups), options.adamw);
}

}  // namespace rtdetr
