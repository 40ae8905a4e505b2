#include "train/loop/last_stage.h"

namespace rtdetr {

void LastStage::register_state(StateRegistry& registry) {
  if (!is_wanted()) return;
  registry.add("run.last_stage", &begun_);
  registry.add("run.last_stage_returns", &returns_);
  registry.add("run.last_stage_goes_back", &go_back_);
  registry.add("run.last_stage_ap", &best_ap_);
}

bool LastStage::goes_back(const RunPosition& at, double progress, double best_ap) {
  if (at.next_batch != 0) return false;
  if (!has_begun() && best_ap >= 0 && switch_off_reached(options_.from, at.epoch, progress)) {
    begun_ = at.epoch;
    best_ap_ = best_ap;
    go_back_ = 1;
  }
  if (go_back_ == 0) return false;
  go_back_ = 0;
  ++returns_;
  return true;
}

bool LastStage::may_go_back(double best_ap) const {
  if (!is_wanted() || best_ap < 0) return false;
  return !has_begun() || options_.retry || go_back_ != 0;
}

void LastStage::note(double ap) {
  if (!has_begun() || go_back_ != 0 || ap < 0) return;
  if (ap > best_ap_) {
    best_ap_ = ap;
  } else if (options_.retry) {
    best_ap_ = -1;
    go_back_ = 1;
  }
}

}  // namespace rtdetr
