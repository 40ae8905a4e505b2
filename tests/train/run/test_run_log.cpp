#include <algorithm>
#include <fstream>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/io/file.h"
#include "tests/support/temporary_folder.h"
#include "train/run/run_log.h"

namespace rtdetr {

using test::TemporaryFolder;

TEST_CASE("a continued log drops what came after the checkpoint and half-written lines") {
  const TemporaryFolder temp;
  const RunFolder folder(temp / "exp");
  {
    RunLog log(folder);
    log.write("start", {{"seed", 0}});
    for (int batch = 0; batch < 3; ++batch) log.write("step", {{"epoch", 0}, {"batch", batch}});
    log.write("epoch", {{"epoch", 0}});
    log.write_row({{"epoch", 1}, {"time", 2.5}});
    for (int batch = 0; batch < 3; ++batch) log.write("step", {{"epoch", 1}, {"batch", batch}});
    log.write_row({{"epoch", 2}, {"time", 5.0}});
  }
  std::ofstream(folder.path() / "log.jsonl", std::ios::app) << R"({"event":"step","epoch":1,"ba)";
  { RunLog log(folder, {.epoch = 1, .batch = 2}); }
  const std::string text = read_text_file(folder.path() / "log.jsonl");
  CHECK(std::count(text.begin(), text.end(), '\n') == 1 + 3 + 1 + 2);
  CHECK(text.find(R"("epoch":1,"batch":1})") != std::string::npos);
  CHECK(text.find(R"("epoch":1,"batch":2})") == std::string::npos);
  CHECK(read_text_file(folder.path() / "results.csv") == "epoch,time\n1,2.5\n");
  const ResultsTable table = read_results(folder.path() / "results.csv");
  REQUIRE(table.find("time") != nullptr);
  CHECK(*table.find("time") == std::vector<double>{2.5});
  CHECK(table.find("AP") == nullptr);
}

TEST_CASE("a fresh record in a used folder removes the earlier run's, and the curves made of it") {
  const TemporaryFolder temp;
  const RunFolder folder(temp / "exp");
  const auto curves = folder.path() / kTensorBoardName;
  {
    RunLog log(folder);
    log.write("start", {{"seed", 0}});
    log.write_row({{"epoch", 1}});
    write_text_atomically(curves, "curves");
  }
  { RunLog log(folder, {.epoch = 1, .batch = 0}); }
  CHECK(read_text_file(curves) == "curves");
  { RunLog log(folder); }
  CHECK_FALSE(std::filesystem::exists(curves));
  for (const char* name : {"log.jsonl", "results.csv"}) CHECK(read_text_file(folder.path() / name).empty());
}

TEST_CASE("a continued log keeps the validations inside its epoch that the checkpoint knows, and the table's columns") {
  const TemporaryFolder temp;
  const RunFolder folder(temp / "exp");
  const auto row = [](double epoch, double step) { return RunLog::Row{{"epoch", epoch}, {"step", step}}; };
  {
    RunLog log(folder);
    for (const double step : {2, 4, 6}) log.write_row(row(1, step));
    for (const int step : {1234567, 1234570}) {
      log.write("validation", {{"epoch", 1}, {"step", step}});
      log.write_row(row(2, step));
    }
    log.write("epoch", {{"epoch", 1}});
    log.write_row(row(2, 1234571));
  }
  {
    RunLog log(folder, {.epoch = 1, .batch = 5, .validated_step = 1234567});
    CHECK(log.has_column("step"));
    log.write_row({{"epoch", 2}, {"new", 1}});
  }
  CHECK(read_text_file(folder.path() / "results.csv") == "epoch,step\n1,2\n1,4\n1,6\n2,1234567\n2,\n");
  CHECK(read_text_file(folder.path() / "log.jsonl") == R"({"event":"validation","epoch":1,"step":1234567})"
                                                       "\n");
}

}  // namespace rtdetr
