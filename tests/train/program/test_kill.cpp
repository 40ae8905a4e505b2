#include <chrono>
#include <csignal>

#include <catch2/catch.hpp>

#include "core/base/random.h"
#include "core/io/file.h"
#include "tests/support/micro_run.h"
#include "tests/support/program.h"
#include "tests/support/run_record.h"
#include "tests/support/temporary_folder.h"

/// The program itself, killed with -9 at random moments and started again with the same command.
namespace rtdetr {

using test::make_micro_run;
using test::micro_command;
using test::Program;
using test::run_program;
using test::TemporaryFolder;

namespace {

std::filesystem::path folder_of(const Settings& settings, const std::string& name) {
  return std::filesystem::path(settings.project) / name;
}

double seconds_of(const std::vector<std::string>& words) {
  const auto begin = std::chrono::steady_clock::now();
  REQUIRE(run_program(words).code == 0);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

struct Variant {
  const char* name;
  int kills;
  std::map<std::string, std::string> keys;
};

/// Kills runs of one kind until there were enough kills, and compares each with one that was left alone.
void kill_and_compare(const Settings& settings, const Variant& variant, Random& random) {
  const std::string whole = std::string(variant.name) + "-whole";
  const double duration = seconds_of(micro_command(settings, whole, variant.keys));
  const std::string hash = test::state_of(folder_of(settings, whole)),
                    record = test::record_of(folder_of(settings, whole));
  int killed = 0;
  for (int run = 0; killed < variant.kills; ++run) {
    const std::string name = std::string(variant.name) + "-killed-" + std::to_string(run);
    int checkpoints = 0, code = -1;
    while (code != 0) {
      const double moment = random.uniform(0, duration);
      CAPTURE(name, killed, moment);
      Program program(micro_command(settings, name, variant.keys));
      if (killed < variant.kills && !program.wait(moment)) program.send(SIGKILL);
      code = program.wait();
      INFO(program.err());
      REQUIRE((code == 0 || code == -SIGKILL));
      if (code != 0) ++killed;
      const int left = test::whole_checkpoints(folder_of(settings, name));
      CHECK(left >= checkpoints);  // once there are two whole checkpoints, there always are
      checkpoints = left;
    }
    CHECK(test::state_of(folder_of(settings, name)) == hash);
    CHECK(test::record_of(folder_of(settings, name)) == record);
  }
}

}  // namespace

TEST_CASE("kill -9 at 20 random moments loses nothing: the same command ends in the same bits") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  Random random(2024, RandomPurpose::kSubstitute, 0, 0);
  kill_and_compare(settings, {"plain", 7, {{"workers", "0"}, {"save_steps", "1"}}}, random);
  kill_and_compare(settings, {"threads", 7, {{"workers", "4"}, {"save_steps", "2"}}}, random);
  kill_and_compare(settings, {"accumulated", 6, {{"workers", "4"}, {"accumulate", "4"}, {"save_every", "0.02"}}},
                   random);
}

TEST_CASE("kill -9 before, in and after validations inside epochs loses none and makes none twice") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  Random random(2025, RandomPurpose::kSubstitute, 0, 0);
  kill_and_compare(settings, {"in-steps", 6, {{"val_steps", "4"}, {"save_steps", "1"}}}, random);
  const std::string record = test::record_of(folder_of(settings, "in-steps-whole"));
  for (const char* row : {"\n1,", "\n2,", "\n3,"}) CHECK(record.find(row) != std::string::npos);
}

TEST_CASE("a finished run that is continued ends with 0 and is left as it is") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const auto words = micro_command(settings, "exp", {{"epochs", "1"}});
  REQUIRE(run_program(words).code == 0);
  const auto contents = [&] {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder_of(settings, "exp"))) {
      const std::string name = entry.path().filename().string();
      if (name != ".lock") files[name] = read_text_file(entry.path());
    }
    return files;
  };
  const auto before = contents();
  CHECK(run_program(words).code == 0);
  CHECK((contents() == before));
}

TEST_CASE("a fine-tuned run is continued by the same command; the weights it began with may be gone") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  REQUIRE(run_program(micro_command(settings, "first", {{"epochs", "1"}})).code == 0);
  const std::string weights = (folder_of(settings, "first") / "best.safetensors").string();
  REQUIRE(run_program(micro_command(settings, "whole", {{"weights", weights}, {"epochs", "2"}})).code == 0);
  REQUIRE(run_program(micro_command(settings, "parts", {{"weights", weights}, {"epochs", "1"}})).code == 0);
  std::filesystem::remove(weights);
  REQUIRE(run_program(micro_command(settings, "parts", {{"weights", weights}, {"epochs", "2"}})).code == 0);
  CHECK(test::state_of(folder_of(settings, "parts")) == test::state_of(folder_of(settings, "whole")));
}

TEST_CASE("a run is not continued with another model, data set or optimizer; the key is named") {
  const TemporaryFolder temp, other;
  const Settings settings = make_micro_run(temp.path());
  const Settings others = make_micro_run(other.path(), {.pictures = 12, .denoising = false});
  REQUIRE(run_program(micro_command(settings, "exp", {{"epochs", "1"}})).code == 0);
  const std::vector<std::pair<std::string, std::string>> changes{
      {"model", others.model}, {"data", others.data}, {"weight_decay", "0.01"}, {"lr0", "0.002"}, {"batch", "8"},
      {"imgsz", "96"},         {"seed", "5"},         {"accumulate", "2"}};
  for (const auto& [key, value] : changes) {
    const auto refused = run_program(micro_command(settings, "exp", {{"epochs", "2"}, {key, value}}));
    INFO(refused.err);
    CHECK(refused.code == 2);
    CHECK(refused.err.find("error: " + key + ": ") != std::string::npos);
  }
}

}  // namespace rtdetr
