#include "train/report/tensorboard_file.h"

#include <cmath>
#include <cstring>

#include <catch2/catch.hpp>

#include "core/io/file.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr {

using test::TemporaryFolder;

namespace {

ResultsTable some_results(std::size_t rows) {
  ResultsTable table{{"epoch", "time", "train/loss", "metrics/mAP50-95(B)"}, {{}, {}, {}, {}}};
  for (std::size_t k = 0; k < rows; ++k) {
    table.columns[0].push_back(static_cast<double>(k + 1));
    table.columns[1].push_back(10.0 * static_cast<double>(k + 1));
    table.columns[2].push_back(5.0 / static_cast<double>(k + 1));
    table.columns[3].push_back(k == 1 ? std::nan("") : 0.25);  // not validated
  }
  return table;
}

/// The bytes of each record's event.
std::vector<std::string> events_in(const std::string& file) {
  std::vector<std::string> events;
  for (std::size_t at = 0; at < file.size();) {
    std::uint64_t length = 0;
    REQUIRE(at + 16 <= file.size());
    std::memcpy(&length, file.data() + at, sizeof length);
    REQUIRE(at + 16 + length <= file.size());
    events.push_back(file.substr(at + 12, length));
    at += 16 + length;
  }
  return events;
}

}  // namespace

TEST_CASE("a row of the results is an event with a value for each column that has one") {
  const TemporaryFolder temp;
  const auto file = temp / kTensorBoardName;
  update_tensorboard_file(some_results(0), file);
  CHECK_FALSE(std::filesystem::exists(file));
  update_tensorboard_file(some_results(3), file);
  const std::vector<std::string> events = events_in(read_text_file(file));
  REQUIRE(events.size() == 4);
  CHECK_THAT(events[0], Catch::Contains("brain.Event:2"));
  for (std::size_t row = 1; row <= 3; ++row) {
    CHECK_THAT(events[row], Catch::Contains("train/loss"));
    CHECK((events[row].find("metrics/mAP50-95(B)") != std::string::npos) == (row != 2));
    CHECK(events[row].find("time") == std::string::npos);
    CHECK(events[row].substr(9, 2) == std::string{'\x10', static_cast<char>(row)});  // step
  }
  double begin = 0, time = 0;
  std::memcpy(&begin, events[0].data() + 1, sizeof begin);
  std::memcpy(&time, events[3].data() + 1, sizeof time);
  CHECK(time - begin == Approx(30));
}

TEST_CASE("checksums are CRC-32C as TFRecord masks it") {
  const TemporaryFolder temp;
  update_tensorboard_file(some_results(1), temp / kTensorBoardName);
  const std::string file = read_text_file(temp / kTensorBoardName);
  // The length of the first record, 24 bytes: CRC-32C 0x4A65BFE4 by another program (Python's crc32c), rotated by 15
  // bits and 0xA282EAD8 added.
  std::uint32_t checksum = 0;
  std::memcpy(&checksum, file.data() + 8, sizeof checksum);
  CHECK(file[0] == 24);
  CHECK(checksum == 0x224B7FA3U);
}

TEST_CASE("new rows are added behind the bytes that are there; a run that was set back begins a new file") {
  const TemporaryFolder temp;
  const auto file = temp / kTensorBoardName;
  update_tensorboard_file(some_results(2), file);
  const std::string before = read_text_file(file);
  update_tensorboard_file(some_results(4), file);
  const std::string after = read_text_file(file);
  CHECK(after.starts_with(before));
  CHECK(events_in(after).size() == 5);
  update_tensorboard_file(some_results(4), file);
  CHECK(read_text_file(file) == after);
  update_tensorboard_file(some_results(3), file);
  CHECK(events_in(read_text_file(file)).size() == 4);
  CHECK(after.starts_with(read_text_file(file)));  // when the run began is kept
}

}  // namespace rtdetr
