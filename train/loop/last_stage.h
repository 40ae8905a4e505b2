#pragma once

#include <cstdint>

#include "train/loop/run_budget.h"
#include "train/run/state_registry.h"

/// D-FINE and DEIM end a run with a stage of its own: where strong augmentation ends, training goes on from the best
/// weights so far. Their averages and the optimizer's moments go on with them, the epochs and the learning rate are the
/// run's own.
namespace rtdetr {

struct LastStageOptions {
  double from = 1;  ///< see switch_off_reached; 1 = there is no such stage
  /// Begin it anew, from the same weights, after each validation that is no better than the best since the last
  /// beginning. The first epoch of the stage is measured against the best before it.
  bool retry = false;
};

/// Decides when a run goes back to its best weights. Holds no weights itself.
class LastStage {
 public:
  explicit LastStage(const LastStageOptions& options) : options_(options) {}

  bool is_wanted() const { return options_.from != 1; }
  bool has_begun() const { return begun_ >= 0; }
  /// Adds its state, if it is wanted.
  void register_state(StateRegistry& registry);
  /// Asked before each epoch, and only there. The stage does not begin before there is something to go back to.
  /// @param progress  of the run
  /// @param best_ap   of the run so far; below 0 = never validated, or there was nothing to find
  /// @return          whether the run goes back to its best weights before this epoch
  bool goes_back(const RunPosition& at, double progress, double best_ap);
  /// Whether goes_back may be true later on, without another validation before the stage.
  /// @param best_ap  as above
  bool may_go_back(double best_ap) const;
  /// A validation's AP; below 0 compares with nothing.
  void note(double ap);
  std::int64_t returns() const { return returns_; }

 private:
  LastStageOptions options_;
  std::int64_t begun_ = -1;   ///< epoch in which it began; -1 = not yet
  std::int64_t returns_ = 0;  ///< how often the run went back
  std::int64_t go_back_ = 0;  ///< 1 = before the next epoch
  double best_ap_ = -1;       ///< since the run last went back; at the stage's beginning of the run; -1 = none
};

}  // namespace rtdetr
