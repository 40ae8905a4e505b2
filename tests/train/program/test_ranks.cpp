#include <sys/prctl.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/base/text.h"
#include "core/io/file.h"
#include "tests/support/micro_run.h"
#include "tests/support/program.h"
#include "tests/support/run_record.h"
#include "tests/support/temporary_folder.h"
#include "train/process/child_process.h"

/// Several processes of the program train together, and one of them fails.
namespace rtdetr {

using test::make_micro_run;
using test::micro_command;
using test::Program;
using test::TemporaryFolder;
using test::wait_until;

namespace {

/// The ranks of the one launcher that this process has started, rank 0 first.
std::vector<pid_t> ranks() {
  const std::vector<pid_t> launchers = children_of_this_process();
  std::vector<pid_t> found;
  if (launchers.size() != 1) return found;
  const std::string launcher = std::to_string(launchers.front());
  std::ifstream file("/proc/" + launcher + "/task/" + launcher + "/children");
  for (pid_t rank = 0; file >> rank;) found.push_back(rank);
  return found;
}

/// Of each step, out of the run's log.
std::vector<double> losses_of(const std::filesystem::path& folder) {
  std::vector<double> losses;
  for (const std::string& line : split(read_text_file(folder / "log.jsonl"), '\n')) {
    if (line.find(R"("event":"step")") != std::string::npos)
      losses.push_back(nlohmann::json::parse(line).at("loss").get<double>());
  }
  return losses;
}

/// With the second state on the disk, what is said of the first has been said, too.
void wait_for_state(const std::filesystem::path& folder) {
  wait_until([&] { return std::filesystem::exists(folder / "last-1.safetensors"); });
}

/// Starts the run, kills one of its ranks after `moment` seconds if all are there, and checks that it was named.
/// @return  whether one was killed
bool killed_one(const std::vector<std::string>& words, std::size_t count, std::size_t victim, double moment) {
  Program program(words);
  if (program.wait(moment)) return false;
  const std::vector<pid_t> processes = ranks();
  const bool kill = processes.size() == count;
  if (kill) ::kill(processes[victim], SIGKILL);
  const int code = program.wait();
  INFO(program.err());
  REQUIRE((code == 7 || code == 0));  // 0: it had done its work
  if (code == 0) return false;
  REQUIRE(kill);
  CHECK_THAT(program.err(), Catch::Contains("rank " + std::to_string(victim) + " (process " +
                                            std::to_string(processes[victim]) + " on ") &&
                                Catch::Contains("was killed by SIGKILL"));
  return true;
}

}  // namespace

TEST_CASE("two ranks that are told to stop save and leave with 75; the same command goes on") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const auto log = temp / "runs/exp/log.jsonl";
  for (const int signal : {SIGTERM, SIGINT}) {
    const std::uintmax_t before = std::filesystem::exists(log) ? std::filesystem::file_size(log) : 0;
    Program program(micro_command(settings, "exp", {{"nproc", "2"}, {"epochs", "100000"}}));
    wait_until([&] { return std::filesystem::exists(log) && std::filesystem::file_size(log) > before + 300; });
    program.send(signal);
    CHECK(program.wait() == 75);
    CHECK(program.err().empty());
  }
}

TEST_CASE(
    "two ranks that go on end in the bits of two that were not interrupted; one process goes on from there, too") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const auto train = [&](const std::string& name, const char* ranks, const char* epochs) {
    const auto result = test::run_program(micro_command(settings, name, {{"nproc", ranks}, {"epochs", epochs}}));
    INFO(result.err);
    REQUIRE(result.code == 0);
  };
  train("whole", "2", "2");
  for (const char* name : {"two", "one"}) train(name, "2", "1");
  train("two", "2", "2");
  train("one", "1", "2");
  CHECK(test::state_of(temp / "runs/two") == test::state_of(temp / "runs/whole"));
  train("alone", "1", "2");
  const std::vector<double> two = losses_of(temp / "runs/whole"), one = losses_of(temp / "runs/one"),
                            alone = losses_of(temp / "runs/alone");
  REQUIRE(two.size() == 12);
  CHECK(alone[0] == Approx(two[0]).epsilon(1e-5));
  CHECK(one[6] == Approx(two[6]).epsilon(1e-5));
}

TEST_CASE("a rank that is killed is named with what is saved, and nothing is left") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (const std::size_t victim : {0U, 1U}) {
    const std::string name = "exp" + std::to_string(victim);
    Program program(micro_command(settings, name, {{"nproc", "2"}, {"epochs", "100000"}, {"save_steps", "1"}}));
    wait_for_state(temp / ("runs/" + name));
    const std::vector<pid_t> processes = ranks();
    REQUIRE(processes.size() == 2);
    ::kill(processes[victim], SIGKILL);
    CHECK(program.wait() == 7);
    CHECK_THAT(program.err(), Catch::Contains("rank " + std::to_string(victim) + " (process " +
                                              std::to_string(processes[victim]) + " on ") &&
                                  Catch::Contains("was killed by SIGKILL") && Catch::Contains("(last durable step ") &&
                                  Catch::Contains("goes on from there)"));
    wait_until([&] {
      while (::waitpid(-1, nullptr, WNOHANG) > 0) continue;
      return children_of_this_process().empty();
    });
  }
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST_CASE("whichever rank is killed, and at whatever moment, the same command ends in the bits of a run left alone") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  Random random(2026, RandomPurpose::kSubstitute, 0, 0);
  for (const auto& [count, kills] : {std::pair{2, 3}, {4, 2}}) {
    const std::string ranks = std::to_string(count);
    const auto words = [&](const std::string& name) {
      return micro_command(settings, name, {{"nproc", ranks}, {"save_steps", "1"}});
    };
    const Stopwatch watch;
    REQUIRE(test::run_program(words("whole" + ranks)).code == 0);
    const double duration = watch.seconds();
    for (int killed = 0; killed < kills;) {
      const auto victim = static_cast<std::size_t>(random.below(static_cast<std::uint64_t>(count)));
      const double moment = random.uniform(0, duration);
      CAPTURE(count, killed, victim, moment);
      if (killed_one(words("killed" + ranks), static_cast<std::size_t>(count), victim, moment))
        ++killed;
      else
        std::filesystem::remove_all(temp / ("runs/killed" + ranks));  // it came to its end: anew
    }
    REQUIRE(test::run_program(words("killed" + ranks)).code == 0);
    CHECK(test::state_of(temp / ("runs/killed" + ranks)) == test::state_of(temp / ("runs/whole" + ranks)));
  }
}

TEST_CASE("nproc= where torchrun has started the process is refused") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const auto result =
      test::run_program(micro_command(settings, "exp", {{"nproc", "2"}}),
                        {"RANK=0", "WORLD_SIZE=4", "LOCAL_RANK=0", "MASTER_ADDR=127.0.0.1", "MASTER_PORT=29500"});
  CHECK(result.code == 2);
  CHECK_THAT(result.err, Catch::Contains("nproc=2 (command line): this is rank 0 of 4 already"));
}

TEST_CASE("a batch that the processes cannot share equally is refused before a folder appears") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const auto result =
      test::run_program(micro_command(settings, "exp", {{"nproc", "2"}, {"batch", "5"}, {"resume", "false"}}));
  CHECK(result.code == 2);
  CHECK_THAT(result.err, Catch::Contains("batch=5 is shared by 2 processes; give a multiple of 2"));
  CHECK_FALSE(std::filesystem::exists(temp / "runs/exp"));
}

TEST_CASE("a mistake that all ranks find is told by rank 0, and the exit code is its own") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const auto result = test::run_program(micro_command(settings, "exp", {{"nproc", "2"}, {"imgsz", "65"}}));
  CHECK(result.code == 2);
  CHECK_THAT(result.err, Catch::StartsWith("rtdetr: error: ") || Catch::Contains("\nrtdetr: error: "));
}

}  // namespace rtdetr
