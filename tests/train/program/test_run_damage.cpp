#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <memory>

#include <catch2/catch.hpp>

#include "core/base/log.h"
#include "core/base/random.h"
#include "core/io/file.h"
#include "tests/support/micro_run.h"
#include "tests/support/program.h"
#include "tests/support/run_record.h"
#include "tests/support/temporary_folder.h"
#include "train/run/run_checkpoint.h"

/// The checkpoint of a whole run is damaged; the disk of a run is really full.
namespace rtdetr::test {

namespace fs = std::filesystem;
using Catch::Contains;

namespace {

/// The file that load_run chose, while last.safetensors has `content`.
fs::path chosen_with(const RunFolder& folder, const std::string& content) {
  std::ofstream(folder.last(), std::ios::binary) << content;
  return load_run(folder)->file;
}

/// A file system of `bytes` that only this process and its children see.
class SmallDisk {
 public:
  SmallDisk(fs::path path, std::uintmax_t bytes) : path_(std::move(path)) {
    fs::create_directories(path_);
    const std::string options = "size=" + std::to_string(bytes);
    usable_ = unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
              mount("tmpfs", path_.c_str(), "tmpfs", 0, options.c_str()) == 0;
  }
  ~SmallDisk() {
    if (usable_) umount(path_.c_str());
  }
  bool usable() const { return usable_; }

  /// Takes all but `left` bytes.
  void fill(std::uintmax_t left) const {
    struct statvfs space = {};
    REQUIRE(statvfs(path_.c_str(), &space) == 0);
    const auto taken = static_cast<off_t>(space.f_bavail * space.f_frsize - left);
    const int file = open(ballast().c_str(), O_WRONLY | O_CREAT, 0600);
    REQUIRE(file >= 0);
    REQUIRE(posix_fallocate(file, 0, taken) == 0);
    close(file);
  }
  void make_room() const { fs::remove(ballast()); }

 private:
  fs::path ballast() const { return path_ / "ballast"; }

  fs::path path_;
  bool usable_ = false;
};

int temporaries_in(const fs::path& folder) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    count += entry.path().filename().string().find(".tmp-") != std::string::npos ? 1 : 0;
  }
  return count;
}

}  // namespace

TEST_CASE("a run's checkpoint with a flipped bit or cut off is never continued; the one before is") {
  log::set_level(log::Level::kError);
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  REQUIRE(run_program(micro_command(settings, "exp", {{"epochs", "1"}, {"save_steps", "1"}})).code == 0);
  auto folder = std::make_unique<RunFolder>(fs::path(settings.project) / "exp");
  const std::string whole = read_text_file(folder->last());
  REQUIRE(chosen_with(*folder, whole) == folder->last());
  std::uint64_t header = 0;
  std::memcpy(&header, whole.data(), sizeof header);
  header += sizeof header;
  Random random(11, RandomPurpose::kSubstitute, 0, 0);
  const auto below = [&](std::size_t n) { return std::size_t{random.below(static_cast<std::uint32_t>(n))}; };

  int found = 0;
  std::vector<std::size_t> bits;
  for (std::size_t bit = 0; bit < 64; ++bit) bits.push_back(bit);  // the header's length
  for (int i = 0; i < 150; ++i) bits.push_back(below(8 * header));
  for (int i = 0; i < 150; ++i) bits.push_back(8 * header + below(8 * (whole.size() - header)));
  for (const std::size_t bit : bits) {
    CAPTURE(bit, header);
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    const bool caught = chosen_with(*folder, damaged) == folder->previous();
    CHECK(caught);
    found += caught ? 1 : 0;
  }
  std::vector<std::size_t> lengths{0, 1, 7, 8, header - 1, header, header + 1, whole.size() - 1};
  for (int i = 0; i < 60; ++i) lengths.push_back(below(whole.size()));
  for (const std::size_t length : lengths) {
    CAPTURE(length);
    const bool caught = chosen_with(*folder, whole.substr(0, length)) == folder->previous();
    CHECK(caught);
    found += caught ? 1 : 0;
  }
  // What is damaged, if only in its header, does not take the good one's place at the next save.
  std::string renamed = whole;
  renamed.replace(renamed.find("\"rtdetr.run\"") + 1, 1, "X");
  CHECK(chosen_with(*folder, renamed) == folder->previous());
  const fs::path last = folder->last(), previous = folder->previous();
  folder = nullptr;  // and its lock
  const ProgramResult continued = run_program(micro_command(settings, "exp", {{"epochs", "2"}, {"save_steps", "1"}}));
  INFO(continued.err);
  REQUIRE(continued.code == 0);
  CHECK_NOTHROW(load_run_file(last));
  CHECK_NOTHROW(load_run_file(previous));
  CHECK(fs::exists(last.string() + ".damaged"));
  log::set_level(log::Level::kInfo);
  WARN(found << " of " << bits.size() + lengths.size() << " damages of a checkpoint of " << whole.size()
             << " bytes, header " << header << ", were found");
}

TEST_CASE("a disk that is really full delays saves and the record; full for three saves it ends the run with 5") {
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  const std::map<std::string, std::string> keys{{"epochs", "20"}, {"save_steps", "20"}, {"val", "false"}};
  REQUIRE(run_program(micro_command(settings, "clean", keys)).code == 0);
  const fs::path clean = fs::path(settings.project) / "clean";
  const std::uintmax_t size = fs::file_size(clean / "last.safetensors");
  const SmallDisk disk(temp / "small", 8 * size);
  if (!disk.usable()) {
    WARN("skipped: mounting a small file system needs root");
    return;
  }
  settings.project = (temp / "small").string();
  const fs::path delayed = temp / "small/delayed", ended = temp / "small/ended";
  {
    Program program(micro_command(settings, "delayed", keys));
    wait_until([&] { return fs::exists(delayed / "last-1.safetensors"); });
    disk.fill(size / 2);
    wait_until([&] { return program.err().find("not saved, training goes on") != std::string::npos; });
    CHECK(temporaries_in(delayed) <= 1);
    disk.make_room();
    const int code = program.wait();
    INFO(program.err());
    CHECK(code == 0);
    CHECK_THAT(program.err(), Contains("ENOSPC"));
    CHECK(state_of(delayed) == state_of(clean));
    CHECK(record_of(delayed) == record_of(clean));
  }
  fs::remove_all(delayed);
  Program program(micro_command(settings, "ended", keys));
  wait_until([&] { return fs::exists(ended / "last-1.safetensors"); });
  disk.fill(0);
  const int code = program.wait();
  INFO(program.err());
  CHECK(code == 5);
  CHECK_THAT(program.err(), Contains("(last durable step ") && Contains((ended / "last.safetensors").string() + ")"));
  CHECK(whole_checkpoints(ended) == 2);
  CHECK(temporaries_in(ended) == 0);
  disk.make_room();
  CHECK(run_program(micro_command(settings, "ended", keys)).code == 0);
  CHECK(state_of(ended) == state_of(clean));
  CHECK(record_of(ended) == record_of(clean));
}

}  // namespace rtdetr::test
