#include "train/loop/augmentation_windows.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace rtdetr {
namespace {

constexpr int kEpochs = 10;

/// "s" where photometric distortion, zoom-out and crop may be drawn, "m" where mosaic and mixup, "v" where sizes vary.
std::vector<std::string> states_of(const WindowOptions& options) {
  AugmentationWindows windows(options);
  TransformOptions transforms;
  std::vector<std::string> states;
  for (std::int64_t epoch = 0; epoch < kEpochs; ++epoch) {
    windows.begin_epoch({.epoch = epoch}, static_cast<double>(epoch) / kEpochs);
    windows.set(transforms);
    std::string state = is_strong(transforms, epoch) ? "s" : "";
    if (may_blend(transforms, epoch)) state += "m";
    if (is_before(epoch, transforms.multi_scale_until_epoch)) state += "v";
    states.push_back(state);
  }
  return states;
}

std::vector<std::string> states_in(const TensorMap& state) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : state) names.push_back(name);
  return names;
}

}  // namespace

TEST_CASE("by default all augmentation is on from the first epoch to the last") {
  CHECK(states_of({}) == std::vector<std::string>(kEpochs, "smv"));
}

TEST_CASE("windows of augmentation are shares of the run or epochs") {
  const std::vector<std::string> expected{"v", "v", "smv", "smv", "smv", "sv", "sv", "sv", "", ""};
  CHECK(states_of({.strong_from = 2, .strong_until = 8, .mosaic_from = 2, .mosaic_until = 5, .multi_scale_until = 8}) ==
        expected);
  CHECK(states_of({.strong_from = 0.2,
                   .strong_until = 0.8,
                   .mosaic_from = 0.2,
                   .mosaic_until = 0.5,
                   .multi_scale_until = 0.8}) == expected);
}

TEST_CASE("mosaic is strong augmentation: it neither begins before it nor outlasts it") {
  const std::vector<std::string> expected{"v", "v", "smv", "smv", "smv", "v", "v", "v", "v", "v"};
  CHECK(states_of({.strong_from = 2, .strong_until = 5}) == expected);
  CHECK(states_of({.strong_from = 2, .strong_until = 5, .mosaic_from = 0.1, .mosaic_until = 9}) == expected);
}

TEST_CASE("a change is told once, where its epoch begins, and not inside one") {
  AugmentationWindows windows({.strong_until = 2});
  CHECK_FALSE(windows.begin_epoch({.epoch = 0}, 0));
  CHECK_FALSE(windows.begin_epoch({.epoch = 2, .next_batch = 1}, 0.2));
  CHECK_FALSE(windows.strong_is_off());
  CHECK(windows.begin_epoch({.epoch = 2}, 0.2));
  CHECK(windows.strong_is_off());
  CHECK_FALSE(windows.begin_epoch({.epoch = 3}, 0.3));
}

TEST_CASE("a run remembers only the windows that it makes use of, so that older runs can be continued") {
  StateRegistry plain, all;
  AugmentationWindows without({}), with({.strong_from = 0.1, .mosaic_until = 5});
  without.register_state(plain);
  with.register_state(all);
  CHECK(states_in(plain.entries()) == std::vector<std::string>{"run.multi_scale_off", "run.strong_off"});
  CHECK(states_in(all.entries()) == std::vector<std::string>{"run.mosaic_off", "run.mosaic_on", "run.multi_scale_off",
                                                             "run.strong_off", "run.strong_on"});
}

}  // namespace rtdetr
