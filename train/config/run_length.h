#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "train/config/settings.h"

/// A recipe is written for so many steps. A run that the clock ends has as many as the machine makes in that time, so
/// what a recipe says in steps or epochs (warm-up, validations, switch-offs, milestones) is fitted to the number that a
/// few measured steps promise: before the first step, and remembered with the run. Where the machine then turns out
/// faster or slower, switch-offs, validations and a warm-up that takes too long go by the share of the time that is
/// over (train/loop/run_budget.h); milestones stay the epochs they are. A run that epochs end keeps its numbers; only
/// validations may come more often.
namespace rtdetr {

/// What a run that the clock ends is fitted to: validations as often, and a warm-up that long at the most.
inline constexpr double kValidationsByClock = 6, kWarmUpShare = 0.1;

/// What a run will hold.
struct RunLength {
  double steps = 0, epochs = 0;
  bool by_clock = false;  ///< time= ends it, not epochs=
};

/// By time= or epochs=, whichever comes first; epochs= counts beside time= only when it was said.
/// @param step_seconds  measured; not looked at without time=
RunLength expected_length(const Settings& settings, std::int64_t steps_per_epoch, double step_seconds);

/// A key whose value does not suit the run's length, and what does.
struct FittedValue {
  std::string key, before, value;
};

/// A warm-up is at most a tenth of the steps; validations are at least five, as far as there are epochs, or steps where
/// the clock ends fewer than five epochs; switch-offs and milestones in epochs become shares of the run, and
/// augmentation that is to end is off in the last epoch. What was typed on the command line is left as it is.
std::vector<FittedValue> fit_to_length(const Settings& settings, const RunLength& length);

/// Sets them. @return  value by key, as a run remembers it
std::map<std::string, std::string> set_fitted(const std::vector<FittedValue>& fitted, Settings& settings);
/// Sets what a run has remembered.
void set_fitted(const std::map<std::string, std::string>& fitted, Settings& settings);

/// "fitted to about 71 steps (6.0 epochs): warmup_steps 200 -> 7, val_every 10 -> 1; …". "" if there is nothing.
std::string describe(const std::vector<FittedValue>& fitted, const RunLength& length);

/// Places that are epochs which a run by epochs does not reach, each as "flat_until=64".
std::vector<std::string> unreached_places(const Settings& settings);

/// The key was given on the command line itself, not by a recipe; or on that of the run that is continued.
bool is_typed(const Settings& settings, const std::string& key);

}  // namespace rtdetr
