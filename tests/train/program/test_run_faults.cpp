#include <csignal>

#include <catch2/catch.hpp>

#include "core/io/file.h"
#include "tests/support/micro_run.h"
#include "tests/support/program.h"
#include "tests/support/run_record.h"
#include "tests/support/temporary_folder.h"

/// Files that a run or an export writes and that cannot be written for a while: the record, the best weights, pictures,
/// the exported model.
namespace rtdetr::test {

namespace fs = std::filesystem;
using Catch::Contains;

namespace {

using Changes = std::map<std::string, std::string>;

/// Variables of tests/support/io_faults.cpp: `fault` at the n-th `call` on files whose path begins with `where`.
std::vector<std::string> fault_at(const fs::path& where, const std::string& call, int n, const std::string& fault) {
  return {"LD_PRELOAD=" RTDETR_IO_FAULTS, "RTDETR_FAULT_IN=" + where.string(), "RTDETR_FAULT_CALL=" + call,
          "RTDETR_FAULT_AT=" + std::to_string(n), "RTDETR_FAULT=" + fault};
}

std::vector<std::string> lasting(std::vector<std::string> variables) {
  variables.push_back("RTDETR_FAULT_LASTS=1");
  return variables;
}

int files_in(const fs::path& folder) {
  return static_cast<int>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("a record or best weights that cannot be written for a while are complete in the end") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const Changes keys{{"epochs", "2"}, {"save_steps", "1"}};
  const fs::path runs = settings.project;
  REQUIRE(run_program(micro_command(settings, "clean", keys)).code == 0);
  struct Row {
    std::string name, where, says;
    std::vector<std::string> fault;
  };
  const std::vector<Row> rows{
      {"log", "log.jsonl", "its lines wait in memory", fault_at(runs / "log/log.jsonl", "write", 4, "ENOSPC")},
      {"torn", "", "short at write", fault_at(runs / "torn/log.jsonl", "write", 4, "short")},
      {"table", "results.csv", "its lines wait in memory", fault_at(runs / "table/results.csv", "write", 1, "EIO")},
      {"best", "best.safetensors", "wait in memory for the next save",
       fault_at(runs / "best/.best", "write", 2, "ENOSPC")},
  };
  for (const Row& row : rows) {
    const ProgramResult result = run_program(micro_command(settings, row.name, keys), row.fault);
    INFO(row.name << "\n" << result.err);
    CHECK(result.code == 0);
    CHECK_THAT(result.err, Contains("io fault: ") && Contains(row.where) && Contains(row.says));
    CHECK(state_of(runs / row.name) == state_of(runs / "clean"));
    CHECK(record_of(runs / row.name) == record_of(runs / "clean"));
    CHECK((read_text_file(runs / row.name / "best.safetensors") == read_text_file(runs / "clean/best.safetensors")));
  }
}

TEST_CASE("a record that stays unwritten ends the run after three saves; the same command ends in the same record") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const Changes keys{{"epochs", "2"}, {"save_steps", "1"}};
  const fs::path runs = settings.project;
  REQUIRE(run_program(micro_command(settings, "clean", keys)).code == 0);
  const ProgramResult ended = run_program(micro_command(settings, "log", keys),
                                          lasting(fault_at(runs / "log/log.jsonl", "write", 4, "ENOSPC")));
  INFO(ended.err);
  CHECK(ended.code == 5);
  CHECK_THAT(ended.err, Contains("(last durable step 2: " + (runs / "log/last.safetensors").string() + ")") &&
                            Contains("the same command with resume=auto goes on from there"));
  CHECK(run_program(micro_command(settings, "log", keys)).code == 0);
  CHECK(record_of(runs / "log") == record_of(runs / "clean"));
}

TEST_CASE("best weights that cannot be written are on the disk before a state that calls them best") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const Changes keys{{"epochs", "2"}};
  const fs::path runs = settings.project;
  REQUIRE(run_program(micro_command(settings, "clean", keys)).code == 0);
  const ProgramResult ended =
      run_program(micro_command(settings, "best", keys), lasting(fault_at(runs / "best/.best", "open", 1, "ENOSPC")));
  INFO(ended.err);
  CHECK(ended.code == 5);
  CHECK_THAT(ended.err, Contains("best.safetensors") && Contains("(no step is on disk)"));
  CHECK_FALSE(fs::exists(runs / "best/last.safetensors"));
  CHECK(run_program(micro_command(settings, "best", keys)).code == 0);
  CHECK((read_text_file(runs / "best/best.safetensors") == read_text_file(runs / "clean/best.safetensors")));
}

TEST_CASE("a picture that cannot be written is a warning") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const fs::path run = fs::path(settings.project) / "exp";
  for (const std::string picture : {"labels.jpg", "train_batch1.jpg", "results.png", "val_batch0_pred.jpg"}) {
    const ProgramResult result = run_program(
        micro_command(settings, "exp", {{"epochs", "1"}, {"plots", "true"}, {"resume", "false"}, {"exist_ok", "true"}}),
        lasting(fault_at(run / ("." + picture), "open", 1, "ENOSPC")));
    INFO(picture << "\n" << result.err);
    CHECK(result.code == 0);
    CHECK_THAT(result.err, Contains("a picture is missing") && Contains(picture));
    fs::remove_all(run);
  }
}

TEST_CASE("a run that diverges says which state is good and how to begin from it") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const ProgramResult result = run_program(
      micro_command(settings, "exp", {{"lr0", "10"}, {"warmup_steps", "0"}, {"save_steps", "1"}, {"val", "false"}}));
  INFO(result.err);
  CHECK(result.code == 6);
  const std::string last = (fs::path(settings.project) / "exp/last.safetensors").string();
  CHECK_THAT(result.err, Contains("(last durable step ") && Contains(": " + last + ")") && Contains("weights=" + last));
}

TEST_CASE("a run that got a number says how this very one is continued") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const fs::path second = fs::path(settings.project) / "exp-2";
  fs::create_directories(fs::path(settings.project) / "exp");
  auto words = micro_command(settings, "exp", {{"epochs", "100000"}, {"resume", "false"}, {"quiet", "false"}});
  Program program(words);
  wait_until([&] { return fs::exists(second / "log.jsonl") && fs::file_size(second / "log.jsonl") > 300; });
  program.send(SIGTERM);
  CHECK(program.wait() == 75);
  CHECK_THAT(program.err(), Contains("resume=" + second.string() + " goes on from there"));
  words = micro_command(settings, "exp", {{"epochs", "1"}, {"resume", second.string()}});
  CHECK(run_program(words).code == 0);
}

TEST_CASE("an export that fails, is stopped or killed leaves no file under its name and nothing beside it") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const fs::path folder = temp / "exported";
  fs::create_directories(folder);
  const std::vector<std::string> words{
      "export",   "format=safetensors", "model=" + settings.model,
      "imgsz=64", "threads=1",          "output=" + (folder / "model.safetensors").string()};
  int failures = 0;
  for (const std::string call : {"open", "write", "fsync", "close", "rename"}) {
    for (const int at : {1, 2}) {
      const ProgramResult result = run_program(words, fault_at(folder, call, at, "ENOSPC"));
      INFO(call << " " << at << "\n" << result.err);
      if (result.code != 0) {
        CHECK(result.code == 5);
        CHECK_THAT(result.err, Contains("error: ") && Contains("model.safetensors"));
      }
      CHECK(files_in(folder) == (result.code == 0 ? 1 : 0));
      CHECK(fs::exists(folder / "model.safetensors") == (result.code == 0));
      failures += result.code == 0 ? 0 : 1;
      fs::remove(folder / "model.safetensors");
    }
  }
  CHECK(failures >= 6);
  for (const int signal : {SIGTERM, SIGINT}) {
    Program program(words, fault_at(folder, "write", 1, "pause"));
    wait_until([&] { return files_in(folder) > 0; });
    program.send(signal);
    CHECK(program.wait() == 128 + signal);
    CHECK_THAT(program.err(), Contains("nothing was written"));
    CHECK(files_in(folder) == 0);
  }
  CHECK(run_program(words, fault_at(folder, "rename", 1, "kill")).code == -SIGKILL);
  CHECK(files_in(folder) == 1);
  CHECK_FALSE(fs::exists(folder / "model.safetensors"));
  CHECK(run_program(words).code == 0);
  CHECK(files_in(folder) == 1);
  CHECK(fs::exists(folder / "model.safetensors"));
}

}  // namespace rtdetr::test
