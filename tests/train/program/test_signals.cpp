#include <csignal>

#include <catch2/catch.hpp>

#include "core/tensor/tensor_file.h"
#include "tests/support/micro_run.h"
#include "tests/support/program.h"
#include "tests/support/temporary_folder.h"

/// The program is told to stop, or started twice.
namespace rtdetr {

using test::make_micro_run;
using test::micro_command;
using test::Program;
using test::TemporaryFolder;
using test::wait_until;

namespace {

std::int64_t saved_steps(const std::filesystem::path& folder) {
  return load_tensors(folder / "last.safetensors").tensors.at("run.steps").item<std::int64_t>();
}

std::uintmax_t size_of(const std::filesystem::path& file) {
  return std::filesystem::exists(file) ? std::filesystem::file_size(file) : 0;
}

}  // namespace

TEST_CASE("SIGTERM, SIGINT and SIGUSR1 finish the step, save and exit with 75; the same command goes on") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const auto words = micro_command(settings, "long", {{"epochs", "100000"}});
  const auto folder = temp / "runs/long";
  std::int64_t steps = 0;
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) {
    const std::uintmax_t before = size_of(folder / "log.jsonl");
    Program program(words);
    wait_until([&] { return size_of(folder / "log.jsonl") > before + 300; });
    program.send(signal);
    CHECK(program.wait() == 75);
    CHECK(saved_steps(folder) > steps);
    steps = saved_steps(folder);
  }
}

TEST_CASE("SIGHUP, however often, and one more signal save and exit with 75, as SIGTERM does") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const auto log = temp / "runs/exp/log.jsonl";
  Program program(micro_command(settings, "exp", {{"epochs", "100000"}}), {}, [] { std::signal(SIGHUP, SIG_DFL); });
  wait_until([&] { return size_of(log) > 300; });
  for (const int signal : {SIGHUP, SIGHUP, SIGTERM, SIGHUP}) program.send(signal);
  CHECK(program.wait() == 75);
  CHECK(saved_steps(temp / "runs/exp") > 0);
}

TEST_CASE("where SIGHUP is ignored, as under nohup, a run goes on to its end") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const auto log = temp / "runs/exp/log.jsonl";
  Program program(micro_command(settings, "exp"), {}, [] { std::signal(SIGHUP, SIG_IGN); });
  wait_until([&] { return size_of(log) > 300; });
  program.send(SIGHUP);
  CHECK(program.wait() == 0);
  CHECK(saved_steps(temp / "runs/exp") == 18);
}

TEST_CASE("a second run in the same folder exits with 2 and names the first; a killed one leaves no lock") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const auto words = micro_command(settings, "shared", {{"epochs", "100000"}, {"save_steps", "1"}});
  {
    Program first(words);
    wait_until([&] { return std::filesystem::exists(temp / "runs/shared/last.safetensors"); });
    const auto second = test::run_program(words);
    CHECK(second.code == 2);
    CHECK_THAT(second.err, Catch::Contains("is in use by process"));
  }
  Program third(words);
  const std::int64_t steps = saved_steps(temp / "runs/shared");
  wait_until([&] { return saved_steps(temp / "runs/shared") > steps; });
}

}  // namespace rtdetr
