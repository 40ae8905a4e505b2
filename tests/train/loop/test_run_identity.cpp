#include "train/loop/run_identity.h"

#include <set>

#include <catch2/catch.hpp>

#include "tests/support/micro_run.h"
#include "tests/support/temporary_folder.h"
#include "train/config/keys.h"
#include "train/loop/experiment.h"

namespace rtdetr {

using Catch::Contains;
using test::make_micro_run;
using test::TemporaryFolder;

namespace {

std::set<std::string> keys_that(Key::OnResume on_resume) {
  std::set<std::string> names;
  for (const Key* key : keys_of(Command::kTrain))
    if (key->on_resume == on_resume) names.insert(key->name);
  return names;
}

}  // namespace

TEST_CASE("what a continued run may change, and what belongs to one call, is said in the key table") {
  CHECK(keys_that(Key::OnResume::kOfOneCall) == std::set<std::string>{"cfg", "resume", "weights", "weights_parts",
                                                                      "backbone_weights", "check", "exist_ok", "json",
                                                                      "quiet", "verbose", "progress"});
  CHECK(keys_that(Key::OnResume::kMayChange) ==
        std::set<std::string>{"deterministic", "model",       "data",       "scale",       "imgsz",    "amp",
                              "device",        "threads",     "nproc",      "workers",     "prefetch", "project",
                              "name",          "save_every",  "save_steps", "save_period", "val",      "val_every",
                              "val_steps",     "patience",    "epochs",     "time",        "plots",    "cache_mib",
                              "max_bad",       "check_space", "max_pixels", "tf32"});
}

TEST_CASE(
    "a data set is another one when a class has another name, a box another place or label, a picture another name") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const Experiment experiment = prepare_experiment(settings);
  const auto data_of = [&](const Dataset& train) {
    return identity_of(experiment.settings, experiment.model->spec(), train, experiment.size).at("data");
  };
  const std::string data = data_of(experiment.train);
  Dataset other = experiment.train;
  CHECK(data_of(other) == data);
  other.classes.names[0] = "blue";
  CHECK(data_of(other) != data);
  other = experiment.train;
  other.boxes[1].xyxy[2] += 0.5F;
  CHECK(data_of(other) != data);
  other = experiment.train;
  other.boxes[1].label = 1 - other.boxes[1].label;
  CHECK(data_of(other) != data);
  other = experiment.train;
  other.pictures[3].file = "other.png";
  CHECK(data_of(other) != data);
}

TEST_CASE("a run of another version goes on with what that version trained with") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());  // its decoder is of Ultralytics' variant
  settings.criterion = "official";
  const RunIdentity official = prepare_experiment(settings).identity;
  RunIdentity older = official;
  for (const char* key : {"criterion", "focal_alpha", "focal_gamma", "mal_gamma", "box_weight", "share_matches", "hold",
                          "resample", "fit", "mosaic_scale", "mosaic_translate", "multi_scale_nearest"})
    CHECK(older.erase(key) == 1);
  CHECK(completed(older) == official);

  settings.criterion = kCriterionOfModel;
  const RunIdentity now = prepare_experiment(settings).identity;
  CHECK(now.at("criterion") == "\"ultralytics\"");
  CHECK_THROWS_WITH(check_identity(completed(older), now, "last.safetensors"),
                    Contains(R"(criterion: the run in last.safetensors has "official", now it is "ultralytics";)"));
}

}  // namespace rtdetr
