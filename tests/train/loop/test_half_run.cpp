// Runs in fp16: the loss' factor is part of what they remember, and finding it is no fault of theirs.
#include <ATen/Parallel.h>
#include <torch/types.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/file.h"
#include "tests/support/captured_stderr.h"
#include "tests/support/micro_run.h"
#include "tests/support/run_record.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/train_here.h"
#include "train/loop/experiment.h"
#include "train/loop/run_start.h"
#include "train/loop/trainer.h"

namespace rtdetr {

using test::make_micro_run;
using test::TemporaryFolder;
using test::train_here;

namespace {

using End = RunOutcome::End;

std::filesystem::path folder_of(const Settings& settings, const std::string& name) {
  return std::filesystem::path(settings.project) / name;
}

void set_factor(const Settings& settings, const std::string& name, double factor) {
  const auto file = folder_of(settings, name) / "last.safetensors";
  const TensorFile content = load_tensors(file);
  torch::Tensor saved = content.tensors.at("loss_scale.factor");
  saved.fill_(factor);
  save_tensors(file, content.tensors, content.metadata);
}

std::vector<nlohmann::json> steps_of(const Settings& settings, const std::string& name) {
  std::vector<nlohmann::json> steps;
  for (const std::string& line : split(read_text_file(folder_of(settings, name) / "log.jsonl"), '\n'))
    if (line.find(R"("event":"step")") != std::string::npos) steps.push_back(nlohmann::json::parse(line));
  return steps;
}

Settings half_run(const TemporaryFolder& temp) {
  Settings settings = make_micro_run(temp.path());
  settings.amp = "fp16";
  return settings;
}

}  // namespace

TEST_CASE("a run in fp16 whose factor still moves is stopped anywhere and ends in the same bits") {
  const TemporaryFolder temp;
  Settings settings = half_run(temp);
  settings.epochs = 4;
  settings.val_every = 4;
  settings.accumulate = GENERATE(1, 2);
  const auto begin = [&](const std::string& name) {
    REQUIRE(train_here(settings, name, 1).end == End::kStopped);  // after two steps
    set_factor(settings, name, 1 << 20);
  };
  begin("whole");
  REQUIRE(train_here(settings, "whole").end == End::kFinished);
  const auto steps = steps_of(settings, "whole");
  REQUIRE(steps.size() > 2);
  CHECK(steps[2]["loss_scale"] > steps.back()["loss_scale"]);
  CHECK(steps.back()["applied"] == true);
  begin("stopped");
  for (const int asks : {1, 2, 0, 4}) REQUIRE(train_here(settings, "stopped", asks).end == End::kStopped);
  REQUIRE(train_here(settings, "stopped").end == End::kFinished);
  CHECK(test::state_of(temp / "runs/stopped") == test::state_of(temp / "runs/whole"));
  CHECK(test::record_of(temp / "runs/stopped") == test::record_of(temp / "runs/whole"));
}

TEST_CASE("steps that only find the factor are no steps that diverge: no limit counts them, no warning names them") {
  const TemporaryFolder temp;
  Settings settings = half_run(temp);
  settings.epochs = 8;
  settings.val = false;
  REQUIRE(train_here(settings, "exp", 1).end == End::kStopped);
  set_factor(settings, "exp", 1e12);
  RunOutcome outcome;
  const std::string said = test::stderr_of([&] { outcome = train_here(settings, "exp"); });
  CHECK(outcome.end == End::kFinished);
  CHECK(outcome.skipped == 0);
  CHECK_THAT(said, !Catch::Contains("refused"));
  int refused = 0;
  for (const auto& step : steps_of(settings, "exp")) refused += step["applied"] == true ? 0 : 1;
  CHECK(refused > 8);
  CHECK(outcome.steps == 48 - refused);
}

TEST_CASE("a factor that shrinks without end ends the run as diverged") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  const Settings settings = half_run(temp);
  Experiment experiment = prepare_experiment(settings);
  const RunFolder folder(folder_of(settings, "exp"));
  Trainer trainer(train_input(experiment), train_options(experiment), folder);
  experiment.model->parameters().front().register_hook(
      [](const torch::Tensor& gradient) { return gradient * INFINITY; });
  std::string said;
  try {
    trainer.fit();
  } catch (const DivergedError& error) {
    said = error.what();
  }
  CHECK_THAT(said,
             Catch::StartsWith("the gradients are beyond fp16 even where the loss is multiplied by no more than 1; "
                               "amp=bf16 has the range of fp32"));
  CHECK(steps_of(settings, "exp").size() >= 16);  // 65536 = 2^16
  CHECK_THAT(read_text_file(folder.path() / "log.jsonl"), Catch::Contains(R"("event":"diverged")"));
}

TEST_CASE("a run that is continued keeps the type that it began with, whatever amp= says now") {
  const TemporaryFolder temp;
  Settings settings = half_run(temp);
  settings.epochs = 1;
  Settings other = settings;
  other.amp = "off";
  REQUIRE(train_here(settings, "half", 1).end == End::kStopped);
  REQUIRE(train_here(other, "half").end == End::kFinished);
  CHECK(steps_of(settings, "half").back().contains("loss_scale"));
  REQUIRE(train_here(other, "whole", 1).end == End::kStopped);
  REQUIRE(train_here(settings, "whole").end == End::kFinished);
  CHECK_FALSE(steps_of(settings, "whole").back().contains("loss_scale"));
  CHECK_FALSE(load_tensors(temp / "runs/whole/last.safetensors").tensors.contains("loss_scale.factor"));
}

}  // namespace rtdetr
