#include "train/loop/trainer.h"

#include <ATen/Parallel.h>
#include <torch/types.h>
#include <algorithm>
#include <set>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/file.h"
#include "models/graph/model_files.h"
#include "models/layers/module_tree.h"
#include "tests/support/compared_runs.h"
#include "tests/support/file_size_limit.h"
#include "tests/support/micro_run.h"
#include "tests/support/stop_when.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thread_world.h"
#include "tests/support/train_here.h"
#include "train/loop/experiment.h"
#include "train/loop/run_start.h"
#include "train/report/detection_report.h"

namespace rtdetr {

using test::check_stops;
using test::differences;
using test::FileSizeLimit;
using test::make_micro_run;
using test::saved_state;
using test::step_lines;
using test::table_without_time;
using test::TemporaryFolder;
using test::train_here;

TEST_CASE("a run that is stopped anywhere and continued ends in the same bits") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.schedule = "multistep";
  settings.milestones = {1, 2};
  settings.multi_scale_until = 0.3;  // off from the second epoch on
  settings.strong_until = 0.6;       // from the third
  const RunOutcome whole = train_here(settings, "whole");
  REQUIRE(whole.end == RunOutcome::End::kFinished);
  REQUIRE(whole.steps == 18);

  // 18 steps and 3 × 6 validated batches: first step, mid-epoch, last step, validation, between epochs and so at the
  // learning rate's drops, at the ends of strong augmentation and of multi-scale, last epoch
  check_stops(settings, {0, 1, 3, 5, 6, 8, 11, 12, 15, 24, 29, 35});
}

TEST_CASE("validations inside epochs leave the training as it is, and are there once however the run is stopped") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.val_every = 3;
  train_here(settings, "by-epochs");
  settings.val_steps = 4;
  settings.given["val_steps"] = "command line";
  REQUIRE(train_here(settings, "whole").end == RunOutcome::End::kFinished);
  const ResultsTable table = read_results(temp / "runs/whole/results.csv");
  CHECK(*table.find("epoch") == std::vector<double>{1, 1, 2, 2, 3, 3});
  CHECK(*table.find("step") == std::vector<double>{4, 6, 8, 12, 16, 18});
  // asks: step 4, its validation 4 to 9, steps 5 to 8, validation 14 to 19, steps 9 to 12, validation 24 to 29, …
  check_stops(settings, {3, 4, 9, 10, 11, 13, 17, 24, 33, 41, 47});
  TensorMap expected = saved_state(settings, "whole"), by_epochs = saved_state(settings, "by-epochs");
  for (const char* of_validation : {"run.best_epoch", "run.best_ap"}) {
    expected.erase(of_validation);
    by_epochs.erase(of_validation);
  }
  CHECK(differences(by_epochs, expected).empty());
}

TEST_CASE("a last stage goes on from the best weights, their average and their moments") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.epochs = 5;
  settings.lr0 = 1e-30;  // every epoch has the AP of the first, which stays the best
  const auto updates = [&](const std::string& name) {
    const TensorMap state = saved_state(settings, name);
    CHECK(state.at("run.steps").item<std::int64_t>() == 30);
    for (const auto& [key, tensor] : state)
      if (key.starts_with("adamw.step.")) CHECK(tensor.item<double>() == state.at("ema_updates").item<double>());
    return state.at("ema_updates").item<std::int64_t>();
  };
  train_here(settings, "plain");
  CHECK(updates("plain") == 30);
  settings.last_stage = 2;
  train_here(settings, "once");
  CHECK(updates("once") == 24);  // the first epoch and the last three
  settings.last_stage_retry = true;
  train_here(settings, "retry");
  CHECK(updates("retry") == 18);  // back after the third as well; the fourth counts as its best, and the fifth ends it
  CHECK(saved_state(settings, "retry").at("run.last_stage_returns").item<std::int64_t>() == 2);
  const TensorMap best = load_tensors(temp / "runs/once/best-state.safetensors").tensors;
  CHECK(best.at("ema_updates").item<std::int64_t>() == 6);
  CHECK_FALSE(std::filesystem::exists(temp / "runs/plain/best-state.safetensors"));
}

TEST_CASE("a last stage that the run begins with goes back after the first validation") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.epochs = 3;
  settings.lr0 = 1e-30;  // as above
  settings.last_stage = 0;
  settings.last_stage_retry = true;
  train_here(settings, "early");
  const TensorMap state = saved_state(settings, "early");
  CHECK(state.at("run.last_stage_returns").item<std::int64_t>() == 2);
  CHECK(state.at("ema_updates").item<std::int64_t>() == 12);  // the first epoch and the last
}

TEST_CASE("a continued run without its best state goes on from the weights as they are") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.epochs = 3;
  settings.lr0 = 1e-30;  // as above
  settings.last_stage = 2;
  REQUIRE(train_here(settings, "lost", 20).end == RunOutcome::End::kStopped);
  const auto best_state = temp / "runs/lost/best-state.safetensors";
  SECTION("missing") { REQUIRE(std::filesystem::remove(best_state)); }
  SECTION("damaged") { std::filesystem::resize_file(best_state, 1000); }
  SECTION("another model's") { save_tensors(best_state, {{"model.0.conv.weight", torch::ones({3})}}, {}); }
  SECTION("of a run with other settings") {
    Settings others = settings;
    others.seed = 5;
    train_here(others, "other", 20);
    std::filesystem::copy_file(temp / "runs/other/best-state.safetensors", best_state,
                               std::filesystem::copy_options::overwrite_existing);
  }
  REQUIRE(train_here(settings, "lost").end == RunOutcome::End::kFinished);
  CHECK(saved_state(settings, "lost").at("ema_updates").item<std::int64_t>() == 18);
}

TEST_CASE("a run of DEIM's kind that is stopped anywhere and continued ends in the same bits") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.epochs = 4;
  settings.schedule = "flat_cosine";
  settings.warmup = "quadratic";
  settings.flat_until = 0.3;
  settings.tail_from = 0.7;
  settings.lrf = 0.5;
  settings.mosaic = settings.mixup = 0.5;
  settings.mosaic_kind = settings.mixup_kind = "deim";
  settings.strong_from = 0.2;
  settings.mosaic_from = 0.2;
  settings.mosaic_until = 0.5;
  settings.strong_until = settings.last_stage = 2;
  settings.last_stage_retry = true;
  settings.lr0 = 1e-3;
  REQUIRE(train_here(settings, "whole").end == RunOutcome::End::kFinished);
  CHECK(saved_state(settings, "whole").at("run.last_stage_returns").item<std::int64_t>() >= 1);
  // 12 asks an epoch: inside epochs and validations, and at the ends of epochs, where windows open and close
  check_stops(settings, {4, 11, 12, 20, 23, 24, 29, 35, 36, 41});
}

TEST_CASE("a run of YOLO's kind that is stopped anywhere and continued ends in the same bits") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.optimizer = "sgd";
  settings.lr0 = 1e-3;
  settings.schedule = "linear";
  settings.warmup = "from_zero";
  settings.warmup_steps = 8;
  settings.warmup_bias_lr = 1e-2;
  settings.nbs = 8;  // two batches a step: 9 steps
  settings.mosaic = 0.5;
  settings.mosaic_until = 0.6;
  settings.affine = 1;
  settings.hsv_h = settings.hsv_s = settings.hsv_v = 0.3;
  const RunOutcome whole = train_here(settings, "whole");
  REQUIRE(whole.end == RunOutcome::End::kFinished);
  REQUIRE(whole.steps == 9);
  check_stops(settings, {0, 1, 2, 7, 10, 20});
  int moving = 0;
  for (const auto& [key, tensor] : saved_state(settings, "whole")) {
    CHECK_FALSE(key.starts_with("adamw."));
    moving += key.starts_with("sgd.momentum.") && tensor.abs().max().item<float>() > 0;
  }
  CHECK(moving > 20);
}

TEST_CASE("a run of Muon with gradient accumulation, stopped after every step, ends in the same bits") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.optimizer = "muon";
  settings.accumulate = 4;  // 6 batches an epoch: steps of 4 and 2
  settings.val = false;
  CHECK(train_here(settings, "whole").steps == 6);
  int stops = 0;
  while (train_here(settings, "stopped", 0).end == RunOutcome::End::kStopped) ++stops;
  CHECK(stops == 6);
  const TensorMap saved = saved_state(settings, "whole");
  CHECK(differences(saved_state(settings, "stopped"), saved).empty());
  const auto is_moving = [](const auto& entry) {
    return entry.first.starts_with("muon.momentum.") && entry.second.abs().max().template item<float>() > 0;
  };
  CHECK(std::count_if(saved.begin(), saved.end(), is_moving) > 20);
}

TEST_CASE("loader threads do not change a run") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.epochs = 1;
  train_here(settings, "one");
  for (const int workers : {0, 4}) {
    settings.workers = workers;
    const std::string name = "workers-" + std::to_string(workers);
    train_here(settings, name);
    CHECK(differences(saved_state(settings, name), saved_state(settings, "one")).empty());
  }
}

TEST_CASE("a finished run is left alone") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.epochs = 1;
  train_here(settings, "exp");
  const auto before = read_text_file(temp / "runs/exp/last.safetensors");
  CHECK(train_here(settings, "exp").end == RunOutcome::End::kAlreadyFinished);
  CHECK((read_text_file(temp / "runs/exp/last.safetensors") == before));
}

TEST_CASE("after its first epoch a run's last file opens as the model of its best file") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.epochs = 1;
  train_here(settings, "exp");
  const LoadedModel last = load_model(temp / "runs/exp/last.safetensors");
  const LoadedModel best = load_model(temp / "runs/exp/best.safetensors");
  CHECK(last.info.names == best.info.names);
  const auto from_last = named_state(*last.model), from_best = named_state(*best.model);
  REQUIRE(from_last.size() == from_best.size());
  for (std::size_t i = 0; i < from_last.size(); ++i) {
    INFO(from_last[i].first);
    CHECK(torch::equal(from_last[i].second, from_best[i].second));
  }
}

TEST_CASE("a continued run knows its best epoch: what is worse or equal does not take its place") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.epochs = 1;
  REQUIRE(train_here(settings, "exp").best_epoch == 0);
  const auto last = temp / "runs/exp/last.safetensors";
  const std::string best = read_text_file(temp / "runs/exp/best.safetensors");
  TensorFile content = load_tensors(last);
  content.tensors.at("run.best_ap").fill_(0.9);  // more than the micro run's second epoch reaches
  save_tensors(last, content.tensors, content.metadata);
  settings.epochs = 2;
  const RunOutcome outcome = train_here(settings, "exp");
  CHECK(outcome.best_ap == 0.9);
  CHECK(outcome.best_epoch == 0);
  CHECK((read_text_file(temp / "runs/exp/best.safetensors") == best));

  settings.lr0 = 1e-30;  // every epoch has the AP of the first
  const RunOutcome still = train_here(settings, "still");
  CHECK(still.epochs == 2);
  CHECK(still.best_epoch == 0);
}

TEST_CASE(
    "a run's files say of which epoch and step they are, of which classes, and from which score to believe them") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.epochs = 4;
  settings.save_period = 2;
  train_here(settings, "exp", 4 * 6 + 2 * 6);  // stopped in the fourth epoch
  for (const int epoch : {1, 2, 3, 4}) {
    const auto file = temp / "runs/exp" / ("epoch-" + std::to_string(epoch) + ".safetensors");
    CHECK(std::filesystem::exists(file) == (epoch == 2));
  }
  const ModelInfo kept = load_model(temp / "runs/exp/epoch-2.safetensors").info;
  CHECK(kept.epoch == 1);  // from 0
  CHECK(kept.step == 12);
  CHECK(kept.names == std::vector<std::string>{"red", "green"});
  CHECK(kept.category_ids == prepare_experiment(settings).train.classes.category_ids);

  TensorFile last = load_tensors(temp / "runs/exp/last.safetensors");
  last.metadata["best_confidence"] = "0.41";
  save_tensors(temp / "runs/exp/last.safetensors", last.tensors, last.metadata);
  train_here(settings, "exp", 0);  // one step more, no validation
  CHECK(load_model(temp / "runs/exp/last.safetensors").info.best_confidence == 0.41);
}

TEST_CASE("an epoch's losses in results.csv are the means of its own steps") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.val = false;
  settings.epochs = 2;
  train_here(settings, "exp");
  std::vector<double> sums(2, 0);
  for (const std::string& line : step_lines(settings, "exp")) {
    const auto step = nlohmann::json::parse(line);
    sums.at(step["epoch"].get<std::size_t>()) += step["loss"].get<double>();
  }
  const ResultsTable table = read_results(temp / "runs/exp/results.csv");
  for (const std::size_t epoch : {0, 1})
    CHECK((*table.find("train/loss"))[epoch] == Approx(sums[epoch] / 6).epsilon(1e-5));
}

TEST_CASE("a validation's losses are of the pairs that the epoch's steps learn from") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.epochs = 2;
  settings.overlap_costs_from = 1;
  const RunFolder folder(temp / "runs/exp");
  Experiment experiment = prepare_experiment(settings);
  const TrainOptions options = train_options(experiment);
  Trainer trainer(train_input(experiment), options, folder);
  trainer.fit();
  const auto losses_with = [&](bool overlap_costs) {
    EvaluatorOptions evaluation = options.evaluation;
    evaluation.criterion->overlap_costs = overlap_costs;
    return evaluate(experiment.average, *experiment.val, evaluation)->losses;
  };
  const ResultsTable table = read_results(temp / "runs/exp/results.csv");
  bool told_apart = false;
  for (const bool overlap : {true, false}) {
    for (const auto& [name, value] : losses_with(overlap)) {
      if (name != "loss_bbox") continue;
      const double told = table.find("val/l1_loss")->back();
      if (overlap) CHECK(told == Approx(value).epsilon(1e-5));
      told_apart = told_apart || (!overlap && told != Approx(value).epsilon(1e-3));
    }
  }
  CHECK(told_apart);
}

TEST_CASE("a run is not continued with other settings, the key is named") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.epochs = 1;
  train_here(settings, "exp");
  Settings changed = settings;
  changed.lr0 = 2e-3;
  CHECK_THROWS_WITH(train_here(changed, "exp"), Catch::StartsWith("lr0:"));
  changed = settings;
  changed.batch = 8;
  CHECK_THROWS_WITH(train_here(changed, "exp"), Catch::StartsWith("batch:"));
  changed = settings;
  changed.num_queries = 10;
  CHECK_THROWS_AS(train_here(changed, "exp"), ConfigError);
}

TEST_CASE("a damaged last file falls back to the one before, two damaged ones are refused") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.epochs = 2;
  train_here(settings, "exp");
  const TensorMap expected = saved_state(settings, "exp");
  const auto last = temp / "runs/exp/last.safetensors";
  std::filesystem::resize_file(last, std::filesystem::file_size(last) - 1);
  CHECK(train_here(settings, "exp").end == RunOutcome::End::kFinished);  // the second epoch once more
  CHECK(differences(saved_state(settings, "exp"), expected).empty());
  for (const char* name : {"last", "last-1"})
    std::filesystem::resize_file(temp / "runs/exp" / (std::string(name) + ".safetensors"), 100);
  CHECK_THROWS_AS(train_here(settings, "exp"), CheckpointError);
}

TEST_CASE("a save that fails on the way does not end the run, one at its end does") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.val = false;
  const auto run_with_small_files = [&](const std::string& name, int until_ask) {
    const RunFolder folder((temp / "runs") / name);
    Experiment experiment = prepare_experiment(settings);
    const FileSizeLimit limit(50'000);  // logs fit, checkpoints do not
    int asked = 0;
    Trainer trainer(train_input(experiment), train_options(experiment), folder);
    test::StopWhen lift([&] {
      if (++asked == until_ask) FileSizeLimit::lift();
      return false;
    });
    trainer.observe(lift);
    return trainer.fit();
  };
  CHECK(run_with_small_files("passing", 8).end == RunOutcome::End::kFinished);
  CHECK(saved_state(settings, "passing").at("run.epoch").item<std::int64_t>() == 3);
  CHECK_THROWS_AS(run_with_small_files("lasting", 1000), IoError);
  CHECK_FALSE(std::filesystem::exists(temp / "runs/lasting/last.safetensors"));
}

TEST_CASE("a run by time alone is validated when val_every says, however many epochs the time holds") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.time = 1;
  settings.epochs = 2;  // not said: a default, which the time overrides
  settings.val_every = 1000;
  REQUIRE(train_here(settings, "exp", 24).end == RunOutcome::End::kStopped);  // after 4 epochs of 6 steps
  const ResultsTable table = read_results(temp / "runs/exp/results.csv");
  CHECK(*table.find("epoch") == std::vector<double>{1, 2, 3, 4});
  for (const double ap : *table.find("metrics/mAP50-95(B)")) CHECK(std::isnan(ap));
}

namespace {

/// Writes down what a run tells.
struct Diary : TrainObserver {
  std::vector<std::string> told;
  void on_batches(std::span<const Batch> batches, const StepPosition& position) override {
    told.push_back("batches " + std::to_string(position.first_batch) + "+" + std::to_string(batches.size()));
  }
  void on_step(const StepEvent& event) override {
    told.push_back("step " + std::to_string(event.position.steps) + (event.report.applied ? "" : " refused"));
  }
  void on_pause() override { told.emplace_back("pause"); }
  void on_validation(const EpochRecord& record) override { told.push_back("validation " + place(record)); }
  void on_record(const EpochRecord& record) override { told.push_back("record " + place(record)); }

 private:
  static std::string place(const EpochRecord& record) {
    return std::to_string(record.epoch) + (record.inside ? " inside" : "") + (record.evaluation ? "" : ", no AP");
  }
};

}  // namespace

TEST_CASE("a program trains without settings, and hears of steps, validations and epochs in order") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  make_micro_run(temp.path());
  const Dataset train = load_dataset(load_dataset_config(temp / "data.yaml"), "train");
  const Dataset val = load_dataset(load_dataset_config(temp / "data.yaml"), "val");
  const TrainInput input = train_input(load_model_spec(temp / "micro.yaml"), train, &val);
  TrainOptions options = train_options(input, {64, 64}, 8);
  options.budget = {.epochs = 2, .val_steps = 2};
  options.accumulate = 2;  // 3 batches an epoch: steps of 2 and 1
  const RunFolder folder(temp / "mine");
  Trainer trainer(input, options, folder);
  Diary diary, other;
  trainer.observe(diary);
  trainer.observe(other);
  const RunOutcome outcome = trainer.fit();
  CHECK(outcome.end == RunOutcome::End::kFinished);
  CHECK(outcome.steps == 4);
  CHECK(diary.told == std::vector<std::string>{"batches 0+2", "step 1", "batches 2+1", "step 2", "pause",
                                               "validation 0", "record 0", "batches 0+2", "step 3", "batches 2+1",
                                               "step 4", "pause", "validation 1", "record 1"});
  CHECK(other.told == diary.told);
  CHECK(load_model(folder.best()).info.height == 64);
}

TEST_CASE("a program's own input and options end in the bits of the command that says the same") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.epochs = 1;
  settings.seed = 7;
  settings.multi_scale = 0;
  train_here(settings, "command");

  const Dataset train = load_dataset(load_dataset_config(settings.data), "train");
  const Dataset val = load_dataset(load_dataset_config(settings.data), "val");
  const TrainInput input = train_input(load_model_spec(settings.model), train, &val, {.seed = 7}, {.lr = settings.lr0});
  TrainOptions options = train_options(input, {64, 64}, settings.batch, 7);
  options.budget = {.epochs = 1, .schedule = {.warmup_steps = settings.warmup_steps}};
  options.ema.ramp = settings.ema_ramp;
  const RunFolder folder(temp / "runs/program");
  Trainer(input, options, folder).fit();
  CHECK(differences(saved_state(settings, "program"), saved_state(settings, "command")).empty());
  CHECK(step_lines(settings, "program") == step_lines(settings, "command"));
  CHECK(table_without_time(settings, "program") == table_without_time(settings, "command"));
}

TEST_CASE("options of a model published with Ultralytics' loss have that loss, in training and validation") {
  const TemporaryFolder temp;
  make_micro_run(temp.path());
  const Dataset train = load_dataset(load_dataset_config(temp / "data.yaml"), "train");
  const TrainInput input = train_input(load_model_spec("rtdetr-l.yaml"), train, nullptr, {.shapes_only = true});
  const TrainOptions options = train_options(input, {640, 640}, 1000);
  CHECK(options.step.criterion.naming == CriterionOptions::Naming::kUltralytics);
  CHECK(options.evaluation.criterion.value().naming == CriterionOptions::Naming::kUltralytics);
  CHECK(options.loader.batch_size == 24);  // no more than there are pictures: an epoch has a batch
}

namespace {

/// The pictures of a run's first epoch, as one process gets them.
class FirstEpoch : public TrainObserver {
 public:
  std::vector<std::int64_t> pictures;
  void on_batches(std::span<const Batch> batches, const StepPosition& position) override {
    if (position.epoch > 0) return;
    for (const Batch& batch : batches) {
      for (const Batch::Image& image : batch.targets) pictures.push_back(image.picture_index);
    }
  }
};

}  // namespace

TEST_CASE("of two processes one wants to stop: both do, after the same step, and only the main one has written") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.val = false;
  std::vector<RunOutcome> outcomes(2);
  std::vector<FirstEpoch> seen(2);
  test::ThreadWorld(2).run([&](ProcessGroup& group) {
    const Experiment experiment = prepare_experiment(settings);
    const RunFolder folder = open_together(group, [&] { return RunFolder(temp / "runs/exp"); });
    Trainer trainer(train_input(experiment), train_options(experiment), folder, group);
    int asks = 8;  // in the second epoch's second step
    test::StopWhen stop([&] { return !group.is_main() && --asks == 0; });
    trainer.observe(stop);
    trainer.observe(seen[static_cast<std::size_t>(group.rank())]);
    outcomes[static_cast<std::size_t>(group.rank())] = trainer.fit();
  });
  for (const RunOutcome& outcome : outcomes) {
    CHECK(outcome.end == RunOutcome::End::kStopped);
    CHECK(outcome.steps == 8);
    CHECK(outcome.train_seconds == outcomes[0].train_seconds);
  }
  CHECK(std::filesystem::exists(temp / "runs/exp/last.safetensors"));
  CHECK(step_lines(settings, "exp").size() == 8);  // by one of them
  CHECK(seen[0].pictures.size() == 12);
  std::set<std::int64_t> all(seen[0].pictures.begin(), seen[0].pictures.end());
  all.insert(seen[1].pictures.begin(), seen[1].pictures.end());
  CHECK(all.size() == 24);  // each picture in one of them
}

TEST_CASE("two processes that validate agree on the numbers, and on the epoch that was best") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.epochs = 2;
  std::vector<RunOutcome> outcomes(2);
  test::ThreadWorld(2).run([&](ProcessGroup& group) {
    const Experiment experiment = prepare_experiment(settings);
    const RunFolder folder = open_together(group, [&] { return RunFolder(temp / "runs/exp"); });
    Trainer trainer(train_input(experiment), train_options(experiment), folder, group);
    outcomes[static_cast<std::size_t>(group.rank())] = trainer.fit();
  });
  CHECK(outcomes[0].best_epoch >= 0);
  CHECK(outcomes[1].best_epoch == outcomes[0].best_epoch);
  CHECK(outcomes[1].best_ap == outcomes[0].best_ap);
  CHECK(read_results(temp / "runs/exp/results.csv").columns.front().size() == 2);  // a row an epoch, by one of them
}

TEST_CASE(
    "the micro model learns its pictures by heart, and its file says how to show it pictures and what to believe") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path(), {.pictures = 8});
  settings.epochs = settings.val_every = 120;
  settings.ema_decay = 0.9;
  settings.resample = "opencv";  // pictures of the network's size are as they are
  settings.photometric = settings.zoom_out = settings.iou_crop = settings.flip = settings.multi_scale = 0;
  CHECK(train_here(settings, "exp").best_ap > 0.6);
  LoadedModel best = load_model(temp / "runs/exp/best.safetensors");
  Experiment experiment = prepare_experiment(settings);
  const auto evaluation = evaluate(best.model, *experiment.val, evaluator_options(experiment));
  CHECK(best.info.best_confidence > 0.01);
  CHECK(best.info.best_confidence == best_confidence(*evaluation, *experiment.val));
  CHECK(best.info.resampling == Resampling::kOpencvLinear);
}

}  // namespace rtdetr
