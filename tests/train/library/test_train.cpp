#include "train/library/train.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include "core/base/error.h"
#include "core/base/log_level.h"
#include "core/io/file.h"
#include "tests/support/captured_stderr.h"
#include "tests/support/compared_runs.h"
#include "tests/support/micro_run.h"
#include "tests/support/program.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr {

using Catch::Contains;
using test::TemporaryFolder;
using End = TrainResult::End;

namespace {

/// The micro run's settings as a caller gives them: the command line without its command.
std::vector<std::string> words_of_run(const Settings& settings, const std::string& name,
                                      const std::map<std::string, std::string>& changes = {}) {
  std::vector<std::string> words = test::micro_command(settings, name, changes);
  words.erase(words.begin());
  return words;
}

}  // namespace

TEST_CASE("train() ends in the bits of the program with the same words, and leaves the same files") {
  const TemporaryFolder temp;
  const Settings settings = test::make_micro_run(temp.path());
  REQUIRE(test::run_program(test::micro_command(settings, "program")).code == 0);
  const TrainResult result = train(words_of_run(settings, "called"));
  CHECK(result.end == End::kFinished);
  CHECK(result.folder == temp.path() / "runs" / "called");
  CHECK(result.steps == 18);
  CHECK(result.epochs == 3);
  CHECK(result.skipped == 0);
  CHECK(result.best_ap);
  CHECK(test::differences(test::saved_state(settings, "program"), test::saved_state(settings, "called")).empty());
  CHECK(test::step_lines(settings, "program") == test::step_lines(settings, "called"));
  for (const char* file : {"args.yaml", "best.safetensors", "last.safetensors", "results.csv", "log.jsonl"}) {
    INFO(file);
    CHECK(std::filesystem::exists(result.folder / file));
  }
}

TEST_CASE("callbacks are told every step and epoch, and a run that they stop is continued by the same call") {
  const TemporaryFolder temp;
  const std::vector<std::string> words = words_of_run(test::make_micro_run(temp.path()), "told");
  std::vector<std::int64_t> steps;
  std::vector<EpochProgress> epochs;
  double progress = 0;
  TrainCallbacks callbacks;
  callbacks.on_step = [&](const StepProgress& step) {
    CHECK(step.epochs == 3);
    CHECK(step.loss > 0);
    CHECK(step.applied);
    progress = step.progress;
    steps.push_back(step.step);
  };
  callbacks.on_epoch = [&](const EpochProgress& epoch) { epochs.push_back(epoch); };
  callbacks.should_stop = [&] { return steps.size() == 4; };
  CHECK(train(words, callbacks).end == End::kStopped);
  CHECK(steps == std::vector<std::int64_t>{1, 2, 3, 4, 5});  // asked in the fifth, before it is told
  CHECK(epochs.empty());

  callbacks.should_stop = nullptr;
  const TrainResult result = train(words, callbacks);
  CHECK(result.end == End::kFinished);
  CHECK(result.steps == 18);
  CHECK(steps.size() == 18);
  CHECK(steps.back() == 18);
  CHECK(progress == Approx(1));
  REQUIRE(epochs.size() == 3);
  for (int i = 0; i < 3; ++i) {
    CHECK(epochs[static_cast<std::size_t>(i)].epoch == i);
    CHECK(epochs[static_cast<std::size_t>(i)].step == 6 * (i + 1));
    CHECK(epochs[static_cast<std::size_t>(i)].ap);
  }
  CHECK(train(words, callbacks).end == End::kAlreadyFinished);
  CHECK(steps.size() == 18);
}

TEST_CASE("what a callback throws ends the run and comes out as it is") {
  struct Mine {};
  const TemporaryFolder temp;
  const std::vector<std::string> words = words_of_run(test::make_micro_run(temp.path()), "thrown");
  TrainCallbacks callbacks;
  callbacks.on_step = [](const StepProgress&) { throw Mine{}; };
  CHECK_THROWS_AS(train(words, callbacks), Mine);
  CHECK_THAT(read_text_file(temp / "runs/thrown/log.jsonl"), Catch::Contains(R"({"event":"fail","steps_done":1,)"));
  callbacks.on_step = nullptr;
  callbacks.should_stop = [] { return true; };
  CHECK(train(words, callbacks).end == End::kStopped);  // the folder is free again
}

TEST_CASE("the process keeps its compute threads, whatever a run uses") {
  const TemporaryFolder temp;
  at::set_num_threads(2);
  TrainCallbacks callbacks;
  int inside = 0;
  callbacks.should_stop = [&] { return inside = at::get_num_threads(), true; };
  train(words_of_run(test::make_micro_run(temp.path()), "threads"), callbacks);
  CHECK(inside == 1);
  CHECK(at::get_num_threads() == 2);
  at::set_num_threads(1);
}

TEST_CASE("a quiet run does not silence the next, and the process keeps its log level and choice of algorithms") {
  const TemporaryFolder temp;
  const Settings settings = test::make_micro_run(temp.path());
  REQUIRE(log::level() == log::Level::kInfo);
  TrainCallbacks callbacks;
  callbacks.should_stop = [] {
    CHECK(log::level() == log::Level::kWarning);
    at::globalContext().setBenchmarkCuDNN(true);  // as a run on a GPU does
    return true;
  };
  train(words_of_run(settings, "quiet"), callbacks);
  CHECK(log::level() == log::Level::kInfo);
  CHECK_FALSE(at::globalContext().benchmarkCuDNN());

  callbacks.should_stop = [] { return true; };
  const auto again = [&] { train(words_of_run(settings, "quiet", {{"quiet", "false"}}), callbacks); };
  CHECK_THAT(test::stderr_of(again), Contains("continuing "));
  log::set_level(log::Level::kError);
  CHECK_THAT(test::stderr_of(again), Contains("continuing "));
  CHECK(log::level() == log::Level::kError);
  log::set_level(log::Level::kInfo);
}

TEST_CASE("what a call cannot do is refused by name") {
  const TemporaryFolder temp;
  const Settings settings = test::make_micro_run(temp.path());
  const auto with = [&](const char* key, const char* value) {
    return words_of_run(settings, "refused", {{key, value}});
  };
  CHECK_THROWS_WITH(train(with("epoches", "3")), Contains("did you mean 'epochs'"));
  CHECK_THROWS_WITH(train(with("nproc", "2")), Contains("nproc="));
  CHECK_THROWS_WITH(train(with("check", "true")), Contains("check=true"));
  CHECK_THROWS_AS(train({"model=rtdetr-n.yaml", "data=nowhere.yaml"}), ConfigError);
  CHECK(!std::filesystem::exists(temp.path() / "runs" / "refused"));

  TrainCallbacks callbacks;
  callbacks.should_stop = [&] {
    CHECK_THROWS_WITH(train(with("name", "inner")), Contains("one run at a time"));
    return true;
  };
  train(words_of_run(settings, "outer"), callbacks);
}

}  // namespace rtdetr
