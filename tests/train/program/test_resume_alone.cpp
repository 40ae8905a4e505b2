#include <unistd.h>

#include <catch2/catch.hpp>

#include "core/io/file.h"
#include "tests/support/micro_run.h"
#include "tests/support/program.h"
#include "tests/support/run_record.h"
#include "tests/support/temporary_folder.h"

/// resume= without a word about what the run is.
namespace rtdetr {

using Catch::Contains;
using test::make_micro_run;
using test::micro_command;
using test::Program;
using test::run_program;
using test::state_of;
using test::TemporaryFolder;

namespace {

/// The run of one epoch that all of them continue, with a setting that must not be lost.
std::map<std::string, std::string> told(const std::string& epochs) { return {{"epochs", epochs}, {"lr0", "0.0003"}}; }

}  // namespace

TEST_CASE("resume=FILE alone continues a run as it was told, from any folder") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  REQUIRE(run_program(micro_command(settings, "whole", told("2"))).code == 0);
  REQUIRE(run_program(micro_command(settings, "exp", told("1"))).code == 0);
  const std::string file = (temp / "runs/exp/last.safetensors").string();
  Program program({"train", "resume=" + file, "epochs=2", "threads=1"}, {}, [] {
    if (chdir("/") != 0) _exit(126);
  });
  const int code = program.wait();
  INFO(program.err());
  CHECK(code == 0);
  CHECK(state_of(temp / "runs/exp") == state_of(temp / "runs/whole"));
}

TEST_CASE("resume=FILE alone continues a run by the clock whose recipe was fitted to it") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  write_text_atomically(temp / "recipe.yaml", "warmup_steps: 100000\nval_every: 3\n");
  const std::string recipe = (temp / "recipe.yaml").string();
  REQUIRE(run_program(micro_command(settings, "exp", {{"cfg", recipe}, {"time", "0.0001"}, {"epochs", "1"}})).code ==
          0);
  const auto result =
      run_program({"train", "resume=" + (temp / "runs/exp/last.safetensors").string(), "time=0.0002", "epochs=2"});
  INFO(result.err);
  CHECK(result.code == 0);
  CHECK_THAT(result.err, Contains("continuing"));
}

TEST_CASE("resume=FILE builds the model from the file when its YAML is gone; a moved data set is named") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  REQUIRE(run_program(micro_command(settings, "whole", told("2"))).code == 0);
  REQUIRE(run_program(micro_command(settings, "exp", told("1"))).code == 0);
  std::filesystem::remove(settings.model);
  std::filesystem::rename(settings.data, temp / "moved.yaml");
  const std::string folder = (temp / "runs/exp").string();
  const std::vector<std::string> words{"train", "resume=" + folder, "epochs=2", "threads=1"};
  const auto refused = run_program(words);
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err,
             Contains("data=" + settings.data + " (command line of " + folder + "/last.safetensors): no such file"));
  std::vector<std::string> told_data = words;
  told_data.push_back("data=" + (temp / "moved.yaml").string());
  const auto result = run_program(told_data);
  INFO(result.err);
  CHECK(result.code == 0);
  CHECK(state_of(temp / "runs/exp") == state_of(temp / "runs/whole"));
}

TEST_CASE("resume=True continues the run in project/name; another value than it was told is refused") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  REQUIRE(run_program(micro_command(settings, "exp", told("1"))).code == 0);
  const std::vector<std::string> words{"train", "resume=True", "project=" + settings.project, "name=exp", "epochs=2"};
  std::vector<std::string> other = words;
  other.push_back("lr0=0.0005");
  const auto refused = run_program(other);
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, Contains("lr0: the run in") && Contains("has 0.0003, now it is 0.0005"));
  const auto result = run_program(words);
  INFO(result.err);
  CHECK(result.code == 0);
  CHECK_THAT(result.err, Contains("continuing"));
}

TEST_CASE("a file that is no run's, or not there, is not continued") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  REQUIRE(run_program(micro_command(settings, "exp", told("1"))).code == 0);
  const std::string at = (temp / "runs/exp").string() + "/";
  const auto weights = run_program({"train", "resume=" + at + "best.safetensors"});
  CHECK(weights.code == 4);
  CHECK_THAT(weights.err, Contains("holds weights but no training state; start a new run with weights="));
  const auto missing = run_program({"train", "resume=" + at + "lsat.safetensors"});
  CHECK(missing.code == 2);
  CHECK_THAT(missing.err, Contains("no such file") && Contains("did you mean '" + at + "last.safetensors'?"));
}

}  // namespace rtdetr
