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
  CHECK(keys_that(Key::OnResume::kOfOneCall) ==
        std::set<std::string>{"cfg", "resume", "weights", "check", "exist_ok", "json", "quiet", "verbose"});
  CHECK(keys_that(Key::OnResume::kMayChange) ==
        std::set<std::string>{"model",       "data",    "scale",     "imgsz",     "amp",         "device",
                              "threads",     "workers", "project",   "name",      "save_every",  "save_steps",
                              "save_period", "val",     "val_every", "val_steps", "patience",    "epochs",
                              "time",        "plots",   "cache_mib", "max_bad",   "check_space", "max_pixels"});
}

TEST_CASE("a run of another version goes on with what that version trained with") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());  // its decoder is of Ultralytics' variant
  settings.criterion = "official";
  const RunIdentity official = prepare_experiment(settings).identity;
  RunIdentity older = official;
  for (const char* key : {"criterion", "focal_alpha", "focal_gamma", "mal_gamma", "box_weight", "share_matches", "hold",
                          "resample", "mosaic_scale", "mosaic_translate", "multi_scale_nearest"})
    CHECK(older.erase(key) == 1);
  CHECK(completed(older) == official);

  settings.criterion = kCriterionOfModel;
  const RunIdentity now = prepare_experiment(settings).identity;
  CHECK(now.at("criterion") == "\"ultralytics\"");
  CHECK_THROWS_WITH(check_identity(completed(older), now, "last.safetensors"),
                    Contains(R"(criterion: the run in last.safetensors has "official", now it is "ultralytics";)"));
}

}  // namespace rtdetr
