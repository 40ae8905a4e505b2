#pragma once

#include <cstdint>

#include "data/transforms/transforms.h"
#include "train/loop/run_budget.h"
#include "train/run/state_registry.h"

namespace rtdetr {

/// Where augmentation begins and ends. Each is a share of the run or an epoch, see switch_off_reached.
struct WindowOptions {
  double strong_from = 0, strong_until = 1;  ///< photometric, zoom-out, crop, mosaic and mixup
  double mosaic_from = 0, mosaic_until = 1;  ///< mosaic and mixup, within that
  double multi_scale_until = 1;
};

/// Which augmentation is on. It is decided where an epoch begins; a run that is continued inside one keeps what was
/// decided then.
class AugmentationWindows {
 public:
  explicit AugmentationWindows(const WindowOptions& options);

  /// Adds `run.strong_off` and `run.multi_scale_off`, and what else the options make use of.
  void register_state(StateRegistry& registry);
  /// @param progress  of the run
  /// @return          whether the transforms change; each change is logged
  bool begin_epoch(const RunPosition& at, double progress);
  void set(TransformOptions& transforms) const;
  bool strong_is_off() const { return strong_off_.epoch >= 0; }

 private:
  /// What happens once.
  struct Switch {
    double at = 1;            ///< see switch_off_reached
    std::int64_t epoch = -1;  ///< in which it happened; -1 = not yet
    bool reached(const RunPosition& position, double progress);
  };
  bool uses_mosaic_window() const { return mosaic_on_.at > 0 || mosaic_off_.at != 1; }

  Switch strong_on_, strong_off_, mosaic_on_, mosaic_off_, multi_scale_off_;
};

}  // namespace rtdetr
