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
};

/// Factor on every group's learning rate = warm-up × shape.
struct LrSchedule {
  enum class Shape {
    kConstant,   ///< 1: the official recipe, whose milestone is never reached
    kLinear,     ///< straight from 1 to `final_factor` over the progress
    kCosine,     ///< half a cosine from 1 to `final_factor`
    kMultiStep,  ///< times `gamma` at each milestone epoch
  };
  Shape shape = Shape::kConstant;
  double final_factor = 0.01;            ///< linear, cosine: at the end of the run
  double hold = 0;                       ///< linear, cosine: share of the run before the decay begins
  std::vector<std::int64_t> milestones;  ///< multistep: epochs, ascending
  double gamma = 0.1;                    ///< multistep
  std::int64_t warmup_steps = 2000;      ///< factor (step + 1) / warmup_steps until it is 1; 0 = none

  double factor(const SchedulePoint& point) const;
};

inline constexpr std::array<Choice<LrSchedule::Shape>, 4> kScheduleWords{
    {{"constant", LrSchedule::Shape::kConstant},
     {"linear", LrSchedule::Shape::kLinear},
     {"cosine", LrSchedule::Shape::kCosine},
     {"multistep", LrSchedule::Shape::kMultiStep}}};

}  // namespace rtdetr
