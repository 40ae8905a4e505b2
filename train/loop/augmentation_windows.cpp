#include "train/loop/augmentation_windows.h"

#include <algorithm>
#include <limits>
#include <string>

#include "core/base/log.h"

namespace rtdetr {

AugmentationWindows::AugmentationWindows(const WindowOptions& options)
    : strong_on_{options.strong_from},
      strong_off_{options.strong_until},
      mosaic_on_{options.mosaic_from},
      mosaic_off_{options.mosaic_until},
      multi_scale_off_{options.multi_scale_until} {
  for (Switch* on : {&strong_on_, &mosaic_on_})
    if (on->at <= 0) on->epoch = 0;
}

void AugmentationWindows::register_state(StateRegistry& registry) {
  registry.add("run.strong_off", &strong_off_.epoch);
  registry.add("run.multi_scale_off", &multi_scale_off_.epoch);
  if (strong_on_.at > 0) registry.add("run.strong_on", &strong_on_.epoch);
  if (!uses_mosaic_window()) return;
  registry.add("run.mosaic_on", &mosaic_on_.epoch);
  registry.add("run.mosaic_off", &mosaic_off_.epoch);
}

bool AugmentationWindows::Switch::reached(const RunPosition& position, double progress) {
  if (position.next_batch != 0 || epoch >= 0 || !switch_off_reached(at, position.epoch, progress)) return false;
  epoch = position.epoch;
  return true;
}

bool AugmentationWindows::begin_epoch(const RunPosition& at, double progress) {
  bool changed = false;
  const auto look = [&](Switch& one, const char* what) {
    if (!one.reached(at, progress)) return;
    log::info(what + (" from epoch " + std::to_string(at.epoch + 1) + " on"));
    changed = true;
  };
  look(strong_on_, "strong augmentation is on");
  look(mosaic_on_, "mosaic and mixup may be on");
  look(mosaic_off_, "mosaic and mixup are off");
  look(strong_off_, "strong augmentation is off");
  look(multi_scale_off_, "multi-scale is off");
  return changed;
}

void AugmentationWindows::set(TransformOptions& transforms) const {
  constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  const auto begin = [](const Switch& on) { return on.epoch < 0 ? kNever : on.epoch; };
  transforms.strong_from_epoch = begin(strong_on_);
  transforms.strong_until_epoch = strong_off_.epoch;
  transforms.mosaic_from_epoch = std::max(begin(strong_on_), begin(mosaic_on_));
  const bool first = mosaic_off_.epoch >= 0 && is_before(mosaic_off_.epoch, strong_off_.epoch);
  transforms.mosaic_until_epoch = first ? mosaic_off_.epoch : strong_off_.epoch;
  transforms.multi_scale_until_epoch = multi_scale_off_.epoch;
}

}  // namespace rtdetr
