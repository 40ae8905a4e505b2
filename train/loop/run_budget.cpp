#include "train/loop/run_budget.h"

#include <algorithm>
#include <cmath>

#include "core/base/check.h"
#include "core/base/error.h"

namespace rtdetr {
namespace {

constexpr double kHour = 3600;  // seconds

}  // namespace

bool switch_off_reached(double until, std::int64_t epoch, double progress) {
  return until <= 1 ? until < 1 && progress >= until : static_cast<double>(epoch) >= until;
}

RunBudget::RunBudget(const BudgetOptions& options, std::int64_t batches_per_epoch, std::int64_t accumulate)
    : options_(options), batches_per_epoch_(batches_per_epoch), accumulate_(accumulate) {
  RTDETR_CHECK(batches_per_epoch > 0 && accumulate > 0, "a run's epochs need batches, and its steps too");
  if (!counts_time() && !counts_epochs()) throw ConfigError("nothing would end the run: give it epochs or a time");
}

bool RunBudget::finished(const RunPosition& at) const {
  const bool out_of_epochs = counts_epochs() && at.epoch >= options_.epochs;
  return at.next_batch == 0 && (out_of_epochs || out_of_time(at) || is_hopeless(at, at.epoch - 1));
}

bool RunBudget::is_hopeless(const RunPosition& at, std::int64_t ended_epoch) const {
  return options_.patience > 0 && at.best_epoch >= 0 && ended_epoch - at.best_epoch >= options_.patience;
}

bool RunBudget::epoch_is_over(const RunPosition& at) const {
  return at.next_batch >= batches_per_epoch_ || out_of_time(at);
}

bool RunBudget::out_of_time(const RunPosition& at) const {
  return counts_time() && at.seconds >= options_.hours * kHour;
}

double RunBudget::progress(const RunPosition& at) const {
  double progress = 0;
  if (counts_epochs()) {
    const double epochs =
        static_cast<double>(at.epoch) + static_cast<double>(at.next_batch) / static_cast<double>(batches_per_epoch_);
    progress = epochs / static_cast<double>(options_.epochs);
  }
  if (counts_time()) progress = std::max(progress, at.seconds / (options_.hours * kHour));
  return std::min(1.0, progress);
}

StepRates RunBudget::rates(const RunPosition& at) const {
  const auto epochs = static_cast<double>(options_.epochs);
  const double step_share = counts_time() ? 0 : 1 / (epochs * static_cast<double>(steps_per_epoch()));
  return options_.schedule.rates(
      {.step = at.steps, .epoch = at.epoch, .progress = progress(at), .epochs = epochs, .step_share = step_share});
}

bool RunBudget::steps_are_due(const RunPosition& at) const {
  if (options_.val_steps == 0 || at.steps == 0 || at.steps == at.validated_step) return false;
  return is_paced() ? share_unvalidated(at, 0) >= options_.val_share : at.steps % options_.val_steps == 0;
}

/// Of the run, since the last validation and with so many more steps, as fast as those so far.
double RunBudget::share_unvalidated(const RunPosition& at, double more_steps) const {
  const auto steps = static_cast<double>(at.steps),
             since = static_cast<double>(at.steps - std::max<std::int64_t>(at.validated_step, 0));
  return steps > 0 ? (since + more_steps) / steps * progress(at) : 0;
}

bool RunBudget::validates_inside(const RunPosition& at) const { return at.next_batch > 0 && steps_are_due(at); }

bool RunBudget::validates_at_end(const RunPosition& at) const {
  const bool last_epoch = counts_epochs() && at.epoch + 1 >= options_.epochs;
  if (last_epoch || out_of_time(at) || is_hopeless(at, at.epoch)) return true;
  if (options_.val_steps > 0) return steps_are_due(at);
  if (is_paced()) return share_unvalidated(at, static_cast<double>(steps_per_epoch())) > options_.val_share;
  return (at.epoch + 1) % options_.val_every == 0;
}

/// In so many more steps, with one at the run's end.
double RunBudget::validations_in(const RunPosition& at, double steps) const {
  if (is_paced()) return std::ceil(share_unvalidated(at, steps) / options_.val_share);
  const auto per_epoch = static_cast<double>(steps_per_epoch());
  double begin = static_cast<double>(at.epoch), every = static_cast<double>(options_.val_every);
  double end = begin + (static_cast<double>(steps_of(at.next_batch)) + steps) / per_epoch;
  if (options_.val_steps > 0) {
    begin = static_cast<double>(at.steps - (steps_are_due(at) ? 1 : 0));
    end = static_cast<double>(at.steps) + steps;
    every = static_cast<double>(options_.val_steps);
  }
  return std::ceil(end / every) - std::floor(begin / every);
}

RunBudget::Remaining RunBudget::remaining(const RunPosition& at) const {
  if (counts_time()) {
    const double seconds = std::max(0.0, options_.hours * kHour - at.seconds),
                 steps = at.seconds > 0 ? seconds * static_cast<double>(at.steps) / at.seconds : 0;
    return {.seconds = seconds, .validations = validations_in(at, steps)};
  }
  const auto steps = static_cast<double>((options_.epochs - at.epoch) * steps_per_epoch() - steps_of(at.next_batch));
  return {.steps = steps, .validations = validations_in(at, steps)};
}

}  // namespace rtdetr
