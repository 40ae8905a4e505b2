#pragma once

#include <functional>
#include <utility>

#include "train/loop/train_observer.h"

namespace rtdetr::test {

/// Stops a run once `stop` says so, which is asked after every step and every validated batch.
class StopWhen : public TrainObserver {
 public:
  explicit StopWhen(std::function<bool()> stop) : stop_(std::move(stop)) {}
  bool should_stop() override { return stop_(); }

 private:
  std::function<bool()> stop_;
};

}  // namespace rtdetr::test
