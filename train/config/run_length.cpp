#include "train/config/run_length.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/check.h"
#include "core/base/text.h"
#include "train/config/keys.h"

namespace rtdetr {
namespace {

class LengthFitter {
 public:
  LengthFitter(const Settings& settings, const RunLength& length) : settings_(settings), length_(length) {}

  std::vector<FittedValue> fit() {
    fit_validations();
    if (!length_.by_clock) return std::move(fitted_);
    fit_warm_up();
    fit_switch_off("strong_until", settings_.strong_until);
    fit_switch_off("multi_scale_until", settings_.multi_scale_until);
    fit_switch_off("last_stage", settings_.last_stage);
    for (const auto& [key, at] : {std::pair{"strong_from", settings_.strong_from},
                                  {"mosaic_from", settings_.mosaic_from},
                                  {"mosaic_until", settings_.mosaic_until},
                                  {"flat_until", settings_.flat_until},
                                  {"tail_from", settings_.tail_from}})
      fit_place(key, at);
    fit_milestones();
    fit_overlap_costs();
    return std::move(fitted_);
  }

 private:
  void add(const std::string& key, const std::string& value) {
    const std::string before = value_text(*find_key(key), settings_);
    if (before != value) fitted_.push_back({key, before, value});
  }

  void fit_validations() {
    constexpr double kWanted = 5;  // the clock's epochs are an estimate, and have one more
    if (!settings_.val || is_typed(settings_, "val_every") || is_typed(settings_, "val_steps")) return;
    const bool in_steps = settings_.val_steps > 0 || (length_.by_clock && length_.epochs < kWanted);
    const double longest =
        (in_steps ? length_.steps : length_.epochs) / (length_.by_clock ? kValidationsByClock : kWanted);
    const auto most = std::max<std::int64_t>(1, static_cast<std::int64_t>(longest));
    if (!in_steps && settings_.val_every > most) add("val_every", std::to_string(most));
    if (in_steps && (settings_.val_steps == 0 || settings_.val_steps > most)) add("val_steps", std::to_string(most));
  }

  void fit_warm_up() {
    if (is_typed(settings_, "warmup_steps")) return;
    const std::int64_t most = std::max<std::int64_t>(1, std::llround(kWarmUpShare * length_.steps));
    if (settings_.warmup_steps > most) add("warmup_steps", std::to_string(most));
  }

  /// Augmentation is switched off where an epoch begins: one and a half before the end, the last epoch is without.
  void fit_switch_off(const std::string& key, double until) {
    constexpr double kBeforeEnd = 1.5, kFewestEpochs = 2;
    if (is_typed(settings_, key)) return;
    if (until > 1) {
      if (!settings_.is_given("epochs")) return;
      until = std::min(1.0, until / static_cast<double>(settings_.epochs));
    }
    if (until < 1 && length_.epochs >= kFewestEpochs) until = std::min(until, 1 - kBeforeEnd / length_.epochs);
    add(key, format_double(std::round(1000 * until) / 1000));
  }

  /// A place of the recipe that is an epoch becomes a share of the run. Augmentation begins with the run where that is
  /// within its first epoch, and mosaic has at least one.
  void fit_place(const std::string& key, double at) {
    if (at <= 1 || is_typed(settings_, key) || !settings_.is_given("epochs")) return;
    double share = std::min(1.0, at / static_cast<double>(settings_.epochs));
    const bool in_first_epoch = share * length_.epochs < 1;
    if (in_first_epoch && key.ends_with("_from")) share = 0;
    if (in_first_epoch && key == "mosaic_until") share = std::min(1.0, 1 / length_.epochs);
    add(key, format_double(std::round(1000 * share) / 1000));
  }

  void fit_milestones() {
    if (settings_.schedule != "multistep" || is_typed(settings_, "milestones") || !settings_.is_given("epochs")) return;
    std::vector<std::string> milestones;
    for (const std::int64_t epoch : settings_.milestones) milestones.push_back(std::to_string(same_place(epoch)));
    add("milestones", join(milestones, ","));
  }

  void fit_overlap_costs() {
    const std::string key = "overlap_costs_from";
    if (settings_.overlap_costs_from == 0 || is_typed(settings_, key) || !settings_.is_given("epochs")) return;
    add(key, std::to_string(same_place(settings_.overlap_costs_from)));
  }

  /// The epoch of this run at the share of it at which `epoch` is in the recipe's; at least 1.
  std::int64_t same_place(std::int64_t epoch) const {
    const double share = static_cast<double>(epoch) / static_cast<double>(settings_.epochs);
    return std::max<std::int64_t>(1, std::llround(share * length_.epochs));
  }

  const Settings& settings_;
  const RunLength& length_;
  std::vector<FittedValue> fitted_;
};

}  // namespace

RunLength expected_length(const Settings& settings, std::int64_t steps_per_epoch, double step_seconds) {
  const auto per_epoch = static_cast<double>(steps_per_epoch);
  const auto of_epochs = static_cast<double>(settings.epochs);
  const RunLength by_epochs{per_epoch * of_epochs, of_epochs, false};
  if (settings.time <= 0) return by_epochs;
  const double steps = std::max(1.0, std::floor(settings.time * 3600 / step_seconds));
  if (settings.is_given("epochs") && by_epochs.steps <= steps) return by_epochs;
  return {steps, steps / per_epoch, true};
}

std::vector<FittedValue> fit_to_length(const Settings& settings, const RunLength& length) {
  return LengthFitter(settings, length).fit();
}

std::map<std::string, std::string> set_fitted(const std::vector<FittedValue>& fitted, Settings& settings) {
  std::map<std::string, std::string> values;
  for (const FittedValue& one : fitted) values[one.key] = one.value;
  set_fitted(values, settings);
  return values;
}

void set_fitted(const std::map<std::string, std::string>& fitted, Settings& settings) {
  for (const auto& [name, value] : fitted) {
    const Key* key = find_key(name);
    RTDETR_CHECK(key != nullptr && set_value(*key, value, settings).empty(), name + "=" + value + " cannot be set");
  }
}

std::string describe(const std::vector<FittedValue>& fitted, const RunLength& length) {
  if (fitted.empty()) return "";
  std::vector<std::string> changes;
  for (const FittedValue& one : fitted) changes.push_back(one.key + " " + one.before + " -> " + one.value);
  return "fitted to " + std::string(length.by_clock ? "about " : "") + counted(std::llround(length.steps), "step") +
         " (" +
         (length.by_clock ? fixed(length.epochs, 1) + " epochs" : counted(std::llround(length.epochs), "epoch")) +
         "): " + join(changes, ", ") + "; what is typed on the command line is left as it is";
}

std::vector<std::string> unreached_places(const Settings& settings) {
  std::vector<std::string> places;
  const auto note = [&](const std::string& key, double at) {
    if (at > 1 && at >= static_cast<double>(settings.epochs)) places.push_back(key + "=" + format_short(at));
  };
  if (settings.schedule == "flat_cosine" && settings.lrf != 1) {
    note("flat_until", settings.flat_until);
    note("tail_from", settings.tail_from);
  }
  if (settings.schedule == "multistep")
    for (const std::int64_t milestone : settings.milestones) note("milestones", static_cast<double>(milestone));
  note("strong_from", settings.strong_from);
  note("strong_until", settings.strong_until);
  note("mosaic_from", settings.mosaic_from);
  note("mosaic_until", settings.mosaic_until);
  note("multi_scale_until", settings.multi_scale_until);
  note("last_stage", settings.last_stage);
  note("overlap_costs_from", static_cast<double>(settings.overlap_costs_from));
  return places;
}

bool is_typed(const Settings& settings, const std::string& key) {
  const auto found = settings.given.find(key);
  return found != settings.given.end() && found->second.starts_with("command line");
}

}  // namespace rtdetr
