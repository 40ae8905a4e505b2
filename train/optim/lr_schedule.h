#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/base/choices.h"

namespace rtdetr {

/// Where a run stands, as the schedule sees it.
struct SchedulePoint {
  std::int64_t step = 0;   ///< optimizer steps done
  std::int64_t epoch = 0;  ///< from 0
  double progress = 0;     ///< share of the run that is done, [0, 1]: by steps, or by time when time is the budget
  double epochs = 0;       ///< of the whole run; 0 = time alone is the budget
  double step_share = 0;   ///< one step as a share of the run; 0 where time is the budget
};

/// What the schedule says for one step. A factor alone stands for a warm-up that is over.
struct StepRates {
  StepRates(double factor, double warmup = 1) : factor(factor), warmup(warmup) {}

  double factor;  ///< on every group's learning rate: warm-up × shape
  double warmup;  ///< how much of the warm-up is done, [0, 1]
};

/// Factor on every group's learning rate = warm-up × shape.
struct LrSchedule {
  enum class Shape {
    kConstant,   ///< 1: the official recipe, whose milestone is never reached
    kLinear,     ///< straight from 1 to `final_factor` over the progress
    kCosine,     ///< half a cosine from 1 to `final_factor`
    kMultiStep,  ///< times `gamma` at each milestone epoch
    /// DEIM's: 1 to `flat_until`, half a cosine to `final_factor`, and that from `tail_from` on. A step has the factor
    /// of the place before it, as the reference steps its schedule after its optimizer.
    kFlatCosine,
  };
  /// How the factor rises over `warmup_steps`: (step + 1) / warmup_steps; DEIM's ((step - 1) / warmup_steps)², whose
  /// first step has 1/500 (docs/reference/official_behaviour.md#schedule-and-average); or YOLO's step / warmup_steps.
  enum class Warmup { kLinear, kQuadratic, kFromZero };
  Shape shape = Shape::kConstant;
  double final_factor = 0.01;                ///< linear, cosine, flat-cosine: at the end of the run
  double hold = 0;                           ///< linear, cosine: share of the run before the decay begins
  std::vector<std::int64_t> milestones;      ///< multistep: epochs, ascending
  double gamma = 0.1;                        ///< multistep
  double flat_until = 0.5, tail_from = 0.9;  ///< flat-cosine: up to 1 a share of the run, above 1 an epoch
  std::int64_t warmup_steps = 2000;          ///< 0 = none
  Warmup warmup = Warmup::kLinear;
  /// Of the run, which `warmup_steps` were to take. Where they take longer the factor rises to 1 by twice that share;
  /// 0 = by steps alone.
  double warmup_share = 0;

  StepRates rates(const SchedulePoint& point) const;
  double factor(const SchedulePoint& point) const { return rates(point).factor; }
};

inline constexpr std::array<Choice<LrSchedule::Shape>, 5> kScheduleWords{
    {{"constant", LrSchedule::Shape::kConstant},
     {"linear", LrSchedule::Shape::kLinear},
     {"cosine", LrSchedule::Shape::kCosine},
     {"multistep", LrSchedule::Shape::kMultiStep},
     {"flat_cosine", LrSchedule::Shape::kFlatCosine}}};
inline constexpr std::array<Choice<LrSchedule::Warmup>, 3> kWarmupWords{{{"linear", LrSchedule::Warmup::kLinear},
                                                                         {"quadratic", LrSchedule::Warmup::kQuadratic},
                                                                         {"from_zero", LrSchedule::Warmup::kFromZero}}};

}  // namespace rtdetr
