#include "train/config/run_length.h"

#include <catch2/catch.hpp>

using namespace rtdetr;

namespace {

std::map<std::string, std::string> changes(const Settings& settings, const RunLength& length) {
  Settings fitted = settings;
  return set_fitted(fit_to_length(settings, length), fitted);
}

/// docs/howto/fine_tune.md: 4 minutes on a slow machine.
constexpr RunLength kShort{.steps = 71, .epochs = 6, .by_clock = true};
/// The demo.
constexpr RunLength kQuarterHour{.steps = 3500, .epochs = 140, .by_clock = true};

Settings recipe() {
  Settings settings;
  settings.epochs = 40;
  settings.warmup_steps = 200;
  settings.val_every = 10;
  settings.strong_until = 0.9;
  for (const char* key : {"epochs", "warmup_steps", "val_every", "strong_until"}) settings.given[key] = "recipe.yaml:3";
  return settings;
}

}  // namespace

TEST_CASE("a run is as long as the first of time and epochs allows; epochs count beside time when they were said") {
  Settings settings;
  settings.epochs = 40;
  CHECK(expected_length(settings, 12, 0).steps == 480);
  CHECK_FALSE(expected_length(settings, 12, 0).by_clock);
  settings.time = 0.1;  // 360 s
  const RunLength clock = expected_length(settings, 12, 5);
  CHECK(clock.steps == 72);
  CHECK(clock.epochs == 6);
  CHECK(clock.by_clock);
  CHECK(expected_length(settings, 12, 0.1).steps == 3600);  // the program's own epochs do not count
  settings.given["epochs"] = "recipe.yaml:3";
  CHECK(expected_length(settings, 12, 0.1).steps == 480);
  CHECK_FALSE(expected_length(settings, 12, 0.1).by_clock);
}

TEST_CASE(
    "a short run by the clock warms up within a tenth of its steps, validates each epoch and ends without mosaic") {
  const auto fitted = changes(recipe(), kShort);
  CHECK(fitted.at("warmup_steps") == "7");
  CHECK(fitted.at("val_every") == "1");
  CHECK(fitted.at("strong_until") == "0.75");  // the last of six epochs, whatever the clock makes of them
  CHECK(fitted.size() == 3);
  const std::string text = describe(fit_to_length(recipe(), kShort), kShort);
  CHECK_THAT(text, Catch::Contains("about 71 steps (6.0 epochs)") && Catch::Contains("warmup_steps 200 -> 7"));
}

TEST_CASE("what is fitted to a run of one epoch says so in the singular") {
  const RunLength one{.steps = 25, .epochs = 1, .by_clock = false};
  CHECK_THAT(describe(fit_to_length(recipe(), one), one), Catch::StartsWith("fitted to 25 steps (1 epoch): "));
}

TEST_CASE("a run by the clock of fewer than five epochs validates inside them, at least five times") {
  const RunLength one_and_a_half{.steps = 30, .epochs = 1.5, .by_clock = true};
  const auto fitted = changes(recipe(), one_and_a_half);
  CHECK(fitted.at("val_steps") == "5");  // in time, too, when there are only 21 steps
  CHECK_FALSE(fitted.contains("val_every"));
  CHECK(changes(recipe(), {.steps = 4, .epochs = 0.2, .by_clock = true}).at("val_steps") == "1");
  CHECK(changes(recipe(), {.steps = 100, .epochs = 4.9, .by_clock = true}).at("val_steps") == "16");
  CHECK_FALSE(changes(recipe(), {.steps = 100, .epochs = 5, .by_clock = true}).contains("val_steps"));
  CHECK_FALSE(changes(recipe(), {.steps = 30, .epochs = 1.5, .by_clock = false}).contains("val_steps"));
  Settings settings = recipe();
  settings.val_steps = 3;
  CHECK_FALSE(changes(settings, one_and_a_half).contains("val_steps"));
  settings.val_steps = 1000;
  CHECK(changes(settings, one_and_a_half).at("val_steps") == "5");
  CHECK(changes(settings, {.steps = 100, .epochs = 10, .by_clock = false}).at("val_steps") == "20");
  for (const char* typed : {"val_every", "val_steps"}) {
    Settings left = recipe();
    left.given[typed] = "command line";
    CHECK_FALSE(changes(left, one_and_a_half).contains("val_steps"));
  }
  settings.val = false;
  CHECK_FALSE(changes(settings, one_and_a_half).contains("val_steps"));
}

TEST_CASE("a run that is long enough for its recipe keeps it") {
  CHECK(changes(recipe(), kQuarterHour).empty());
  CHECK(describe({}, kQuarterHour).empty());
}

TEST_CASE("what is typed on the command line is left as it is") {
  Settings settings = recipe();
  for (auto& [key, origin] : settings.given) origin = "command line";
  CHECK(changes(settings, kShort).empty());
}

TEST_CASE("switch-offs and milestones of a recipe in epochs become their share of a run by the clock") {
  Settings settings = recipe();
  settings.epochs = 120;
  settings.val_every = 1;
  settings.warmup_steps = 0;
  settings.strong_until = 117;
  settings.multi_scale_until = 200;  // never
  settings.schedule = "multistep";
  settings.milestones = {60, 90};
  settings.given["milestones"] = "recipe.yaml:4";
  auto fitted = changes(settings, {.steps = 1e6, .epochs = 100, .by_clock = true});
  CHECK(fitted.at("strong_until") == "0.975");
  CHECK(fitted.at("multi_scale_until") == "1");
  CHECK(fitted.at("milestones") == "50,75");
  fitted = changes(settings, {.steps = 20, .epochs = 1.2, .by_clock = true});
  CHECK(fitted.at("milestones") == "1,1");
  CHECK(fitted.at("strong_until") == "0.975");
}

TEST_CASE("what else a recipe says in epochs becomes its share of a run by the clock, too") {
  Settings settings = recipe();
  settings.epochs = 58;
  settings.strong_from = settings.mosaic_from = 4;
  settings.mosaic_until = settings.flat_until = 29;
  settings.tail_from = settings.last_stage = settings.strong_until = 50;
  const auto fitted = changes(settings, kQuarterHour);
  CHECK(fitted.at("strong_from") == "0.069");
  CHECK(fitted.at("mosaic_from") == "0.069");
  CHECK(fitted.at("mosaic_until") == "0.5");
  CHECK(fitted.at("flat_until") == "0.5");
  CHECK(fitted.at("tail_from") == "0.862");
  CHECK(fitted.at("last_stage") == fitted.at("strong_until"));
  settings.flat_until = 7800;  // never
  CHECK(changes(settings, kQuarterHour).at("flat_until") == "1");
  settings.given["mosaic_until"] = "command line";
  CHECK_FALSE(changes(settings, kQuarterHour).contains("mosaic_until"));
  CHECK_FALSE(changes(settings, {.steps = 3500, .epochs = 58, .by_clock = false}).contains("flat_until"));
}

TEST_CASE("the epoch from which overlap alone costs keeps its share of a run by the clock, and is never its first") {
  Settings settings = recipe();
  settings.epochs = 160;
  settings.overlap_costs_from = 136;
  settings.given["overlap_costs_from"] = "recipe.yaml:4";
  const auto fitted_to = [&](double epochs) {
    return changes(settings, {.steps = 3500, .epochs = epochs, .by_clock = true}).at("overlap_costs_from");
  };
  CHECK(fitted_to(20) == "17");
  CHECK(fitted_to(0.5) == "1");  // 0 is never
  CHECK_FALSE(changes(settings, {.steps = 3500, .epochs = 20, .by_clock = false}).contains("overlap_costs_from"));
  settings.given["overlap_costs_from"] = "command line";
  CHECK_FALSE(changes(settings, kQuarterHour).contains("overlap_costs_from"));
  settings.overlap_costs_from = 0;
  settings.given.erase("overlap_costs_from");
  CHECK_FALSE(changes(settings, kQuarterHour).contains("overlap_costs_from"));
}

TEST_CASE("a run of one or two epochs by the clock has augmentation all the same") {
  Settings settings = recipe();
  settings.epochs = 132;
  settings.strong_from = settings.mosaic_from = 4;
  settings.mosaic_until = 64;
  settings.strong_until = 120;
  for (const auto& [epochs, mosaic_until] : {std::pair{1.0, "1"}, {2.0, "0.5"}}) {
    const auto fitted = changes(settings, {.steps = 50, .epochs = epochs, .by_clock = true});
    CHECK(fitted.at("strong_from") == "0");
    CHECK(fitted.at("mosaic_from") == "0");
    CHECK(fitted.at("mosaic_until") == mosaic_until);
  }
}

TEST_CASE("places that a run by epochs does not reach are named") {
  Settings settings = recipe();
  settings.schedule = "flat_cosine";
  settings.lrf = 0.5;
  settings.flat_until = 64;
  settings.tail_from = 40;
  settings.last_stage = 39;
  CHECK(unreached_places(settings) == std::vector<std::string>{"flat_until=64", "tail_from=40"});
  settings.lrf = 1;  // the rate stays
  CHECK(unreached_places(settings).empty());
  settings.overlap_costs_from = 40;
  CHECK(unreached_places(settings) == std::vector<std::string>{"overlap_costs_from=40"});
  settings.overlap_costs_from = 0;
  settings.schedule = "multistep";
  settings.milestones = {2, 40, 55};
  CHECK(unreached_places(settings) == std::vector<std::string>{"milestones=40", "milestones=55"});
}

TEST_CASE("a run by epochs keeps its numbers and validates at least five times, as far as there are epochs") {
  Settings settings = recipe();
  settings.val_every = 100;
  const auto every = [&](std::int64_t epochs) {
    settings.epochs = epochs;
    Settings fitted = settings;
    const auto values = set_fitted(fit_to_length(settings, expected_length(settings, 12, 0)), fitted);
    CHECK(values.size() <= 1);
    return fitted.val_every;
  };
  CHECK(every(400) == 80);
  CHECK(every(500) == 100);
  CHECK(every(7) == 1);
  CHECK(every(1) == 1);
  settings.val = false;
  CHECK(every(400) == 100);
}
