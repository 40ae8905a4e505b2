#include "train/loop/run_start.h"

#include <ATen/Parallel.h>
#include <torch/types.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "core/io/file.h"
#include "models/layers/module_tree.h"
#include "tests/support/captured_stderr.h"
#include "tests/support/micro_run.h"
#include "tests/support/run_record.h"
#include "tests/support/stop_when.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thread_world.h"
#include "train/loop/trainer.h"
#include "train/loop/trial.h"

/// What a run settles before its first step, and finds again when it is continued.
namespace rtdetr {

using test::make_micro_run;
using test::stderr_of;
using test::TemporaryFolder;

namespace {

using End = RunOutcome::End;

/// Runs until the end, or until the trainer has asked `asks` times whether to stop.
RunOutcome start_run(const Settings& settings, const std::string& name, int asks = 1 << 30) {
  at::set_num_threads(1);
  const RunFolder folder(std::filesystem::path(settings.project) / name);
  const auto checkpoint = load_run(folder);
  Experiment experiment = prepare_experiment(settings);
  if (checkpoint) {
    take_over(experiment, *checkpoint);
  } else {
    fit_new_run(experiment);
  }
  Trainer trainer(train_input(experiment), train_options(experiment), folder);
  test::StopWhen stop([&asks] { return --asks < 0; });
  trainer.observe(stop);
  if (checkpoint) go_on(trainer, *checkpoint, experiment.settings, folder);
  return trainer.fit();
}

std::vector<double> rates(const Settings& settings, const std::string& name) {
  std::vector<double> values;
  for (const std::string& line :
       split(read_text_file(std::filesystem::path(settings.project) / name / "log.jsonl"), '\n')) {
    if (line.find(R"("event":"step")") == std::string::npos) continue;
    values.push_back(nlohmann::json::parse(line)["lr"].get<double>());
  }
  return values;
}

void type(Settings& settings, const std::string& key) { settings.given[key] = "command line"; }

}  // namespace

TEST_CASE("processes that train together begin with one precision and one length, whatever each has measured") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.time = 0.01;
  std::vector<RunLength> lengths(2);
  std::vector<Precision> precisions(2);
  test::ThreadWorld(2).run([&](ProcessGroup& group) {
    const auto rank = static_cast<std::size_t>(group.rank());
    Experiment experiment = prepare_experiment(settings);
    experiment.precision.precision = group.is_main() ? Precision::kBFloat16 : Precision::kFloat32;
    lengths[rank] = fit_new_run(experiment, group);
    precisions[rank] = experiment.precision.precision;
  });
  CHECK(lengths[1].steps == lengths[0].steps);
  CHECK(precisions[0] == Precision::kBFloat16);
  CHECK(precisions[1] == Precision::kBFloat16);
}

TEST_CASE("weights that validation chose stay when the run goes on without it; without any the last are kept") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  const auto best_of = [&](const std::string& name) {
    return read_text_file(std::filesystem::path(settings.project) / name / "best.safetensors");
  };
  settings.epochs = 1;
  REQUIRE(start_run(settings, "exp").end == End::kFinished);
  const std::string chosen = best_of("exp");
  settings.epochs = 2;
  settings.val = false;
  REQUIRE(start_run(settings, "exp").end == End::kFinished);
  CHECK((best_of("exp") == chosen));
  REQUIRE(start_run(settings, "unseen").end == End::kFinished);
  CHECK((best_of("unseen") != chosen));
}

TEST_CASE("of several ranks each tries its own share of a batch") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const auto means_after_a_step = [&](const ProcessGroup& group) {
    Experiment experiment = prepare_experiment(settings);
    Trial trial(experiment, group);
    trial.step();
    for (const auto& [name, tensor] : named_state(*experiment.model))
      if (name.ends_with("running_mean")) return tensor.detach().clone();
    return torch::Tensor();
  };
  std::vector<torch::Tensor> means(2);
  test::ThreadWorld(2).run(
      [&](ProcessGroup& group) { means[static_cast<std::size_t>(group.rank())] = means_after_a_step(group); });
  const torch::Tensor alone = means_after_a_step(world_of_one());
  CHECK_FALSE(torch::equal(means[0], alone));
  CHECK_FALSE(torch::equal(means[1], alone));
  CHECK(torch::allclose((means[0] + means[1]) / 2, alone, 1e-4, 1e-6));  // each has half of the pictures
}

TEST_CASE("trial steps leave the experiment as it was") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Experiment experiment = prepare_experiment(make_micro_run(temp.path()));
  std::vector<torch::Tensor> before;
  for (const DetectionModel& model : {experiment.model, experiment.average}) {
    for (const auto& [name, tensor] : named_state(*model)) before.push_back(tensor.detach().clone());
  }
  {
    Trial trial(experiment);
    CHECK(trial.step() > 0);
    CHECK(trial.step(96) > 0);
    const auto state = named_state(*experiment.model);
    std::size_t changed = 0;  // the statistics of normalisation
    for (std::size_t i = 0; i < state.size(); ++i) changed += torch::equal(state[i].second, before[i]) ? 0 : 1;
    CHECK(changed > 0);
  }
  CHECK(measure_step(experiment, 1e6) > 0);
  std::size_t i = 0;
  for (const DetectionModel& model : {experiment.model, experiment.average}) {
    for (const auto& [name, tensor] : named_state(*model)) {
      INFO(name);
      CHECK(torch::equal(tensor, before[i++]));
      CHECK_FALSE(tensor.grad().defined());
    }
  }
}

TEST_CASE("fewer threads are advised when the trial was clearly faster with them") {
  CHECK(advise({}, 16).empty());
  CHECK(advise({.threads = 2, .fewer = 1, .seconds = 1, .fewer_seconds = 0.95}, 16).empty());
  CHECK_THAT(advise({.threads = 2, .fewer = 1, .seconds = 1, .fewer_seconds = 0.8}, 16),
             Catch::StartsWith("threads=1 was faster in the trial steps (20.0 against 16.0 pictures a second with 2)"));
}

TEST_CASE("what is fitted to a run's time is kept when the run is continued, even with another time") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.time = 1;
  settings.warmup_steps = 1'000'000'000;
  settings.val_every = 1'000'000;
  CHECK(start_run(settings, "exp", 4).end == End::kStopped);
  const RunFacts facts = load_run_file(temp / "runs/exp/last.safetensors").facts;
  CHECK(facts.time == 1);
  CHECK(facts.epochs == 0);
  CHECK(facts.fitted.contains("val_every"));
  const double warm_up = *parse_double(facts.fitted.at("warmup_steps"));
  CHECK(warm_up < 1e8);
  CHECK_THAT(read_text_file(temp / "runs/exp/log.jsonl"), Catch::Contains("\"warmup_steps\":"));
  settings.time = 2;
  CHECK(start_run(settings, "exp", 6).end == End::kStopped);
  const std::vector<double> seen = rates(settings, "exp");
  REQUIRE(seen.size() == 12);
  for (std::size_t i = 0; i < seen.size(); ++i)
    CHECK(seen[i] == Approx(settings.lr0 * static_cast<double>(i + 1) / warm_up));
}

TEST_CASE("the steps between validations grow with a continued run's time; a typed val_every ends them") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.time = 1e-9;
  CHECK(start_run(settings, "exp").end == End::kFinished);
  const auto fitted = [&](const Settings& continued) {
    auto checkpoint = load_run_file(temp / "runs/exp/last.safetensors");
    checkpoint.facts.fitted["val_steps"] = "3";
    Experiment experiment = prepare_experiment(continued);
    take_over(experiment, checkpoint);
    return experiment.settings.val_steps;
  };
  CHECK(fitted(settings) == 3);
  settings.time = 5e-9;
  CHECK(fitted(settings) == 15);
  Settings typed = settings;
  type(typed, "val_every");
  CHECK(fitted(typed) == 0);
  type(settings, "epochs");
  settings.time = 1e-9;  // used up: on by epochs
  settings.epochs = 50;
  CHECK(fitted(settings) == 0);
}

TEST_CASE(
    "a run whose time is used up goes on by epochs that were said since, in the same bits however often stopped") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.schedule = "cosine";
  settings.time = 1e-9;
  Settings longer = settings;
  longer.epochs = 4;
  type(longer, "epochs");
  const auto begin = [&](const std::string& name) {
    const RunOutcome outcome = start_run(settings, name);
    REQUIRE(outcome.end == End::kFinished);
    REQUIRE(outcome.steps == 1);
    CHECK(start_run(settings, name).end == End::kAlreadyFinished);
  };
  begin("whole");
  const std::string said = stderr_of([&] { CHECK(start_run(longer, "whole").steps == 19); });
  CHECK_THAT(said, Catch::Contains("are used up; it goes on by epochs=4 alone"));
  CHECK(start_run(longer, "whole").end == End::kAlreadyFinished);
  begin("stopped");
  for (const int asks : {0, 4, 9, 13}) CHECK(start_run(longer, "stopped", asks).end == End::kStopped);
  CHECK(start_run(longer, "stopped").end == End::kFinished);
  CHECK(test::state_of(temp / "runs/stopped") == test::state_of(temp / "runs/whole"));
  CHECK(test::record_of(temp / "runs/stopped") == test::record_of(temp / "runs/whole"));
  longer.time = 1;  // another limit counts again
  longer.epochs = 5;
  CHECK(start_run(longer, "whole", 2).end == End::kStopped);
  CHECK(load_run_file(temp / "runs/whole/last.safetensors").facts.time == 1);
}

TEST_CASE("epochs that were said from the beginning do not outlive the time") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.time = 1e-9;
  type(settings, "epochs");
  CHECK(start_run(settings, "exp").epochs == 1);
  CHECK(start_run(settings, "exp").end == End::kAlreadyFinished);
  settings.epochs = 2;  // fewer than were said
  CHECK(start_run(settings, "exp").end == End::kAlreadyFinished);
}

TEST_CASE("a learning rate that goes up again because a run is made longer is told before it happens") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.schedule = "cosine";
  settings.epochs = 2;
  settings.strong_until = 0.5;
  const std::string plain = stderr_of([&] {
    start_run(settings, "exp", 7);
    start_run(settings, "exp");
    CHECK(start_run(settings, "exp").end == End::kAlreadyFinished);
  });
  CHECK_THAT(plain, !Catch::Contains("goes up again"));
  settings.epochs = 4;
  const std::string said = stderr_of([&] { start_run(settings, "exp", 1); });
  CHECK_THAT(said, Catch::Contains("goes up again, from 1e-05 to 0.000505, while strong augmentation stays off") &&
                       Catch::Contains("rtdetr train cfg=finetune model=" + settings.model +
                                       " weights=" + (temp / "runs/exp/best.safetensors").string()));
  settings.schedule = "constant";
  settings.epochs = 1;
  start_run(settings, "flat");
  settings.epochs = 2;
  CHECK_THAT(stderr_of([&] { start_run(settings, "flat"); }), !Catch::Contains("goes up again"));
}

TEST_CASE("a checkpoint of an older version, which knows nothing of a run's length, is continued") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  settings.epochs = 2;
  start_run(settings, "whole");
  CHECK(start_run(settings, "old", 8).end == End::kStopped);
  const auto file = temp / "runs/old/last.safetensors";
  TensorFile content = load_tensors(file);
  auto facts = nlohmann::json::parse(content.metadata.at("rtdetr.run"));
  for (const char* key : {"fitted", "time", "epochs", "lifted_time", "lr_factor"}) REQUIRE(facts.erase(key) == 1);
  content.metadata["rtdetr.run"] = facts.dump();
  content.metadata.erase("best_confidence");
  save_tensors(file, content.tensors, content.metadata);
  CHECK(start_run(settings, "old").end == End::kFinished);
  CHECK(test::state_of(temp / "runs/old") == test::state_of(temp / "runs/whole"));
}

}  // namespace rtdetr
