// Learning rates, averages, the last stage and the windows of augmentation, as D-FINE's and DEIM's own code runs them.
#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <vector>

#include "data/transforms/mixup.h"
#include "data/transforms/turned_mosaic.h"
#include "tests/parity/fixture.h"
#include "train/config/options.h"
#include "train/config/settings_parser.h"
#include "train/loop/augmentation_windows.h"
#include "train/loop/last_stage.h"
#include "train/loop/run_budget.h"
#include "train/loop/train_options.h"
#include "train/optim/ema.h"
#include "train/optim/lr_schedule.h"

namespace rtdetr::test {
namespace {

constexpr double kSchedule = 1e-15;  // relative
constexpr double kFloat32 = 2e-4;    // pixels of a side of 640

Settings recipe_of(const std::string& name) {
  const std::string file = std::string(RTDETR_SOURCE_DIR) + "/configs/recipes/" + name + ".yaml";
  const std::vector<std::string> words{"train", "cfg=" + file, "data=unused.yaml"};
  return parse_command_line(words);
}

RunPosition position_of(std::int64_t iteration, std::int64_t per_epoch) {
  return {.epoch = iteration / per_epoch, .next_batch = iteration % per_epoch, .steps = iteration};
}

/// The row of an epoch: the last that does not begin after it.
nlohmann::json row_of(const nlohmann::json& rows, std::int64_t epoch) {
  nlohmann::json found;
  for (const auto& row : rows)
    if (row[0].get<std::int64_t>() <= epoch) found = row;
  return found;
}

bool sizes_vary(const TransformOptions& transforms, std::int64_t epoch) {
  std::set<std::int64_t> sides;
  for (std::int64_t batch = 0; batch < 200; ++batch) sides.insert(draw_frame_size(transforms, 0, epoch, batch).width);
  return sides.size() > 1;
}

}  // namespace

TEST_CASE("D-FINE's warm-up and EMA decay are the official ones", "[schedules]") {
  const Fixture fixture = load_fixture();
  const auto& warmup = fixture.json["warmup"];
  const RunBudget budget({.epochs = 100, .schedule = {.warmup_steps = warmup["duration"]}}, 10);
  for (const auto& row : warmup["values"]) {
    const double factor = budget.lr_factor(position_of(row[0], 10));
    for (std::size_t group = 0; group < 2; ++group)
      check_number("warm-up", warmup["base_lr"][group].get<double>() * factor, row[1 + group], kSchedule);
  }
  for (const auto& [ramp, rows] : fixture.json["ema"]["warmups"].items()) {
    const EmaOptions options{.decay = fixture.json["ema"]["decay"], .ramp = std::stod(ramp)};
    for (const auto& row : rows) check_number("EMA decay, ramp " + ramp, ema_decay(options, row[0]), row[1], kSchedule);
  }
}

TEST_CASE("the last stage goes back to the best weights where the official one does", "[schedules]") {
  const Fixture fixture = load_fixture();
  const auto& script = fixture.json["last_stage"];
  const std::int64_t epochs = script["epochs"];
  LastStage stage({.from = script["stop_epoch"], .retry = true});
  std::vector<double> weights, expected;
  std::vector<std::int64_t> returns, expected_returns;
  double weight = 0, best_weight = 0, best_ap = -1;  // weight += 1 each epoch, as in the script
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    const double progress = static_cast<double>(epoch) / static_cast<double>(epochs);
    if (stage.goes_back({.epoch = epoch}, progress, best_ap)) {
      weight = best_weight;
      returns.push_back(epoch);
    }
    weights.push_back(++weight);
    const double ap = script["ap"][static_cast<std::size_t>(epoch)];
    if (ap > best_ap && !stage.has_begun()) best_weight = weight;
    best_ap = std::max(best_ap, ap);
    stage.note(ap);
  }
  for (const auto& event : script["events"]) {
    if (event["event"] == "evaluate") expected.push_back(event["weight"]);
    if (event["event"] == "load best_stg1.pth") expected_returns.push_back(event["epoch"].get<std::int64_t>() + 1);
  }
  CHECK(weights == expected);
  CHECK(returns == expected_returns);
  CHECK(stage.returns() == std::ssize(expected_returns));
}

TEST_CASE("the learning rate of DEIM's recipes is the official one in every iteration", "[deim_schedules]") {
  const Fixture fixture = load_fixture();
  for (const auto& [size, expected] : fixture.json["flat_cosine"].items()) {
    const Settings settings = recipe_of("deim-" + size);
    const std::int64_t per_epoch = expected["iterations_per_epoch"];
    const RunBudget budget({.epochs = settings.epochs, .schedule = lr_schedule(settings)}, per_epoch);
    const double backbone = settings.lr0 * settings.param_groups.front().lr_scale;
    for (const auto& row : expected["values"]) {
      const std::string at = size + ", iteration " + std::to_string(row[0].get<std::int64_t>());
      const double factor = budget.lr_factor(position_of(row[0], per_epoch));
      check_number(at + ", backbone", backbone * factor, row[1], kSchedule);
      check_number(at + ", rest", settings.lr0 * factor, row[2], kSchedule);
    }
  }
}

TEST_CASE("augmentation of DEIM's recipes is on in the official epochs", "[deim_schedules]") {
  const Fixture fixture = load_fixture();
  for (const auto& [size, recipe] : fixture.json["recipes"].items()) {
    const Settings settings = recipe_of("deim-" + size);
    TransformOptions transforms = training_transforms(settings, {640, 640}, kUsualStride);
    AugmentationWindows windows(window_options(settings));
    for (std::int64_t epoch = 0; epoch < settings.epochs; ++epoch) {
      CAPTURE(size, epoch);
      windows.begin_epoch({.epoch = epoch}, static_cast<double>(epoch) / static_cast<double>(settings.epochs));
      windows.set(transforms);
      const auto row = row_of(recipe["by_epoch"]["rows"], epoch);
      const auto with_mosaic = row[1].get<std::vector<std::string>>(), without = row[2].get<std::vector<std::string>>();
      const bool mosaic = std::count(with_mosaic.begin(), with_mosaic.end(), "Mosaic") > 0;
      CHECK(is_strong(transforms, epoch) == !without.empty());
      CHECK(may_blend(transforms, epoch) == mosaic);
      CHECK(may_blend(transforms, epoch) == row[3].get<bool>());
      CHECK(sizes_vary(transforms, epoch) == row[4].get<bool>());
    }
  }
}

TEST_CASE("mixup of a batch blends values and boxes as the official one", "[deim_schedules]") {
  const auto fixture = load_fixture().json["mixup"];
  const auto values = fixture["in"].get<std::vector<float>>();
  const auto labels = fixture["labels_in"].get<std::vector<std::vector<std::int64_t>>>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t before = i > 0 ? i - 1 : values.size() - 1;
    float value = values[i];
    Batch::Image target, other;
    target.labels = labels[i];
    other.labels = labels[before];
    mix(&value, &values[before], 1, fixture["beta"], target, other);
    check_number("value " + std::to_string(i), value, fixture["out"][i], 1e-6);
    CHECK(target.labels == fixture["labels_out"][i].get<std::vector<std::int64_t>>());
  }
}

TEST_CASE("boxes turn with a mosaic's canvas as the official ones", "[deim_schedules]") {
  const auto fixture = load_fixture().json["affine_boxes"];
  const int height = fixture["canvas_hw"][0], width = fixture["canvas_hw"][1];
  for (const auto& one : fixture["cases"]) {
    std::vector<LabelledBox> boxes;
    for (const auto& box : fixture["boxes_xyxy"]) boxes.push_back({.xyxy = box.get<std::array<float, 4>>()});
    turn_boxes({.degrees = one["angle"],
                .scale = one["scale"],
                .shift_x = one["translate"][0],
                .shift_y = one["translate"][1]},
               width, height, boxes);
    for (std::size_t i = 0; i < boxes.size(); ++i) {
      for (std::size_t side = 0; side < 4; ++side) {
        CAPTURE(one.dump(), i, side);
        CHECK(boxes[i].xyxy[side] == Approx(one["boxes"][i][side].get<double>()).margin(kFloat32).epsilon(0));
      }
    }
  }
}

}  // namespace rtdetr::test
