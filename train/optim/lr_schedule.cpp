#include "train/optim/lr_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/error.h"

namespace rtdetr {
namespace {

/// Half a cosine from 1 to `last` over [0, 1].
double half_cosine(double last, double done) { return 1 + (last - 1) * (1 - std::cos(std::numbers::pi * done)) / 2; }

/// @param at  up to 1 a share of the run, above 1 an epoch, which a run without epochs never reaches
double share_of(double at, double epochs) { return at <= 1 || epochs <= 0 ? at : at / epochs; }

double flat_cosine_factor(const LrSchedule& schedule, const SchedulePoint& point) {
  const double flat = share_of(schedule.flat_until, point.epochs), tail = share_of(schedule.tail_from, point.epochs);
  const double before = point.progress - point.step_share;
  if (before <= flat) return 1;
  return before >= tail ? schedule.final_factor : half_cosine(schedule.final_factor, (before - flat) / (tail - flat));
}

double warmup_by_steps(const LrSchedule& schedule, std::int64_t step) {
  if (schedule.warmup_steps <= 0) return 1;
  const auto steps = static_cast<double>(schedule.warmup_steps), done = static_cast<double>(step);
  if (schedule.warmup == LrSchedule::Warmup::kLinear) return std::min(1.0, (done + 1) / steps);
  if (schedule.warmup == LrSchedule::Warmup::kFromZero) return std::min(1.0, done / steps);
  constexpr double kOfFirstStep =
      1.0 / 500;  // the reference's, of a linear warm-up that it begins and never goes on with
  const double share = std::min(1.0, (done - 1) / steps);
  return step == 0 ? kOfFirstStep : share * share;
}

double warmup_factor(const LrSchedule& schedule, const SchedulePoint& point) {
  const double by_steps = warmup_by_steps(schedule, point.step), share = schedule.warmup_share;
  return share > 0 ? std::max(by_steps, std::min(1.0, point.progress / share - 1)) : by_steps;
}

double shape_factor(const LrSchedule& schedule, const SchedulePoint& point) {
  const double span = 1 - schedule.hold;
  const double decayed = span > 0 ? std::clamp((point.progress - schedule.hold) / span, 0.0, 1.0) : 0.0;
  switch (schedule.shape) {
    case LrSchedule::Shape::kConstant:
      return 1;
    case LrSchedule::Shape::kLinear:
      return 1 + (schedule.final_factor - 1) * decayed;
    case LrSchedule::Shape::kCosine:
      return half_cosine(schedule.final_factor, decayed);
    case LrSchedule::Shape::kMultiStep:
      return std::pow(schedule.gamma, std::count_if(schedule.milestones.begin(), schedule.milestones.end(),
                                                    [&](std::int64_t epoch) { return epoch <= point.epoch; }));
    case LrSchedule::Shape::kFlatCosine:
      return flat_cosine_factor(schedule, point);
  }
  throw InternalError("unknown schedule shape");
}

}  // namespace

StepRates LrSchedule::rates(const SchedulePoint& point) const {
  const double warmup = warmup_factor(*this, point);
  return {warmup * shape_factor(*this, point), warmup};
}

}  // namespace rtdetr
