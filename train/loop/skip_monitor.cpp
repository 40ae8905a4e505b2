#include "train/loop/skip_monitor.h"

#include <torch/types.h>

namespace rtdetr {

SkipMonitor::SkipMonitor() : window_(torch::zeros({kWindow}, torch::kUInt8)) {}

std::string SkipMonitor::note(bool applied) {
  window_.data_ptr<std::uint8_t>()[steps_ % kWindow] = applied ? 0 : 1;
  ++steps_;
  in_a_row_ = applied ? 0 : in_a_row_ + 1;
  if (!applied) ++skipped_;
  const auto in_window = window_.sum().item<std::int64_t>();
  if (in_a_row_ >= kMostInARow) return std::to_string(in_a_row_) + " steps in a row had no finite loss and gradient";
  if (in_window >= kMostInWindow) {
    return std::to_string(in_window) + " of the last 100 steps had no finite loss and gradient";
  }
  return "";
}

void SkipMonitor::register_state(StateRegistry& registry) {
  registry.add("skips.window", window_);
  registry.add("skips.steps", &steps_);
  registry.add("skips.skipped", &skipped_);
  registry.add("skips.in_a_row", &in_a_row_);
}

}  // namespace rtdetr
