#pragma once

#include <cstdint>
#include <string>

#include "train/run/state_registry.h"

namespace rtdetr {

/// Decides when refused steps are too many: 8 in a row, or 25 of the last 100. Its history is part of the run's state.
class SkipMonitor {
 public:
  SkipMonitor();
  /// Notes one step. @return  why the run must stop, or "" while it may go on
  std::string note(bool applied);
  std::int64_t skipped() const { return skipped_; }
  void register_state(StateRegistry& registry);

 private:
  static constexpr std::int64_t kWindow = 100, kMostInWindow = 25, kMostInARow = 8;

  torch::Tensor window_;  ///< [100] uint8 ring, 1 = refused
  std::int64_t steps_ = 0, skipped_ = 0, in_a_row_ = 0;
};

}  // namespace rtdetr
