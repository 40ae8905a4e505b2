#include "train/optim/lr_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/error.h"

namespace rtdetr {
namespace {

double shape_factor(const LrSchedule& schedule, const SchedulePoint& point) {
  const double span = 1 - schedule.hold;
  const double decayed = span > 0 ? std::clamp((point.progress - schedule.hold) / span, 0.0, 1.0) : 0.0;
  switch (schedule.shape) {
    case LrSchedule::Shape::kConstant:
      return 1;
    case LrSchedule::Shape::kLinear:
      return 1 + (schedule.final_factor - 1) * decayed;
    case LrSchedule::Shape::kCosine:
      return 1 + (schedule.final_factor - 1) * (1 - std::cos(std::numbers::pi * decayed)) / 2;
    case LrSchedule::Shape::kMultiStep:
      return std::pow(schedule.gamma, std::count_if(schedule.milestones.begin(), schedule.milestones.end(),
                                                    [&](std::int64_t epoch) { return epoch <= point.epoch; }));
  }
  throw InternalError("unknown schedule shape");
}

}  // namespace

double LrSchedule::factor(const SchedulePoint& point) const {
  const double warmup =
      warmup_steps > 0 ? std::min(1.0, static_cast<double>(point.step + 1) / static_cast<double>(warmup_steps)) : 1.0;
  return warmup * shape_factor(*this, point);
}

}  // namespace rtdetr
