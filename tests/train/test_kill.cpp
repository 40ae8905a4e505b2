#include <chrono>
#include <csignal>
#include <thread>

#include <fcntl.h>
#include <sys/wait.h>
#include <torch/torch.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include "core/io/file.h"
#include "core/io/random.h"
#include "core/io/text.h"
#include "core/tensor_file.h"
#include "tests/support/micro_run.h"
#include "tests/support/temporary_folder.h"

/// The program itself, killed and started again with the same command.
namespace rtdetr {

using test::make_micro_run;
using test::TemporaryFolder;

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

std::vector<std::string> command(const Settings& settings, const std::string& name, int epochs = 3) {
  return {RTDETR_PROGRAM,
          "train",
          "model=" + settings.model,
          "data=" + settings.data,
          "imgsz=64",
          "epochs=" + std::to_string(epochs),
          "batch=4",
          "workers=1",
          "threads=1",
          "warmup_steps=5",
          "lr0=0.001",
          "ema_ramp=10",
          "save_every=0.02",
          "resume=auto",
          "quiet=true",
          "project=" + settings.project,
          "name=" + name};
}

pid_t start(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  return child;
}

/// Exit code, or −signal.
int wait_for(pid_t child) {
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/// Sends `signal` after `seconds`, unless the program has ended by then. @return as wait_for
int run_and_signal(const std::vector<std::string>& words, int signal, double seconds) {
  const pid_t child = start(words);
  const auto begin = Clock::now();
  while (seconds_since(begin) < seconds) {
    int status = 0;
    if (waitpid(child, &status, WNOHANG) == child) return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  kill(child, signal);
  return wait_for(child);
}

template <class Condition>
void wait_until(Condition condition) {
  const auto begin = Clock::now();
  while (!condition()) {
    REQUIRE(seconds_since(begin) < 60);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

TensorMap saved_state(const Settings& settings, const std::string& name) {
  return load_tensors(std::filesystem::path(settings.project) / name / "last.safetensors").tensors;
}

std::string steps_logged(const Settings& settings, const std::string& name) {
  std::string text;
  for (const std::string& line :
       split(read_text_file(std::filesystem::path(settings.project) / name / "log.jsonl"), '\n')) {
    if (line.find(R"("event":"step")") != std::string::npos) text += line + "\n";
  }
  return text;
}

bool equal(const TensorMap& a, const TensorMap& b) {
  return a.size() == b.size() && std::all_of(a.begin(), a.end(), [&](const auto& entry) {
           return b.contains(entry.first) && torch::equal(entry.second, b.at(entry.first));
         });
}

}  // namespace

TEST_CASE("kill -9 at random moments loses nothing: the same command ends in the same bits") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const auto begin = Clock::now();
  REQUIRE(wait_for(start(command(settings, "whole"))) == 0);
  const double duration = seconds_since(begin);

  Random random(2024, RandomPurpose::kSubstitute, 0, 0);
  constexpr int kKills = 6;
  int killed = 0;
  for (int run = 0; killed < kKills; ++run) {
    const std::string name = "killed-" + std::to_string(run);
    int code = -1;
    while (code != 0) {
      const double moment = killed < kKills ? random.uniform(0, duration) : 1e9;
      code = run_and_signal(command(settings, name), SIGKILL, moment);
      REQUIRE((code == 0 || code == -SIGKILL));
      if (code != 0) ++killed;
    }
    CHECK(equal(saved_state(settings, name), saved_state(settings, "whole")));
    CHECK(steps_logged(settings, name) == steps_logged(settings, "whole"));
  }
}

TEST_CASE("SIGTERM finishes the step, saves and exits with 75; the same command goes on") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const auto words = command(settings, "long", 100'000);
  const auto log = temp / "runs/long/log.jsonl";
  std::int64_t steps = 0;
  for (int i = 0; i < 2; ++i) {
    const std::uintmax_t before = std::filesystem::exists(log) ? std::filesystem::file_size(log) : 0;
    const pid_t child = start(words);
    wait_until([&] { return std::filesystem::exists(log) && std::filesystem::file_size(log) > before + 300; });
    kill(child, SIGTERM);
    CHECK(wait_for(child) == 75);
    const auto done = saved_state(settings, "long").at("run.steps").item<std::int64_t>();
    CHECK(done > steps);
    steps = done;
  }
}

TEST_CASE("a second run in the same folder exits with 2") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const auto words = command(settings, "shared", 100'000);
  const pid_t first = start(words);
  wait_until([&] { return std::filesystem::exists(temp / "runs/shared/last.safetensors"); });
  CHECK(wait_for(start(words)) == 2);
  kill(first, SIGKILL);
  CHECK(wait_for(first) == -SIGKILL);
}

}  // namespace rtdetr
