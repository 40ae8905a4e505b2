#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <set>

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/io/file.h"
#include "core/io/safetensors.h"
#include "tests/support/temporary_folder.h"

/// A save whose every system call fails in turn, is killed there, or loses power there (tests/support/io_faults.cpp).
using namespace rtdetr;
using Catch::Matchers::Contains;
using rtdetr::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

struct SaveResult {
  int code = 0;  ///< exit code, or −signal
  bool acted = false;
  std::string message;
};

/// Saves `version` into `folder` in a process of its own, with the variables of io_faults.cpp.
SaveResult save(const fs::path& folder, int version, const std::string& variables = "") {
  const TemporaryFolder temp;
  const std::string preload = variables.empty() ? "" : "LD_PRELOAD='" RTDETR_IO_FAULTS "' ";
  const std::string line = "exec env " + preload + variables + " RTDETR_FAULT_IN='" + folder.string() +
                           "' '" RTDETR_SAVE_ONCE "' '" + folder.string() + "' " + std::to_string(version) + " 2>'" +
                           (temp / "err").string() + "'";
  const int status = std::system(line.c_str());
  SaveResult result{WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), false, read_text_file(temp / "err")};
  result.acted = result.message.find("io fault: ") != std::string::npos;
  return result;
}

SaveResult save_with_fault(const fs::path& folder, int version, const std::string& fault, int at) {
  return save(folder, version,
              "RTDETR_FAULT_CALL=any RTDETR_FAULT=" + fault + " RTDETR_FAULT_AT=" + std::to_string(at));
}

/// The version in a whole checkpoint. @throws CheckpointError, IoError
std::int64_t version_in(const fs::path& file) {
  const SafetensorsReader reader(file);
  reader.verify_payload();
  std::vector<std::int64_t> numbers(2500);
  reader.read(reader.entries().at(0), std::as_writable_bytes(std::span(numbers)));
  return numbers.front();
}

std::int64_t last(const fs::path& folder) { return version_in(folder / "last.safetensors"); }
std::int64_t previous(const fs::path& folder) { return version_in(folder / "last-1.safetensors"); }

int files_in(const fs::path& folder) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator(folder)) count += entry.is_regular_file() ? 1 : 0;
  return count;
}

fs::path folder_with_two(const fs::path& folder) {
  fs::create_directories(folder);
  for (const int version : {1, 2}) REQUIRE(save(folder, version).code == 0);
  return folder;
}

/// After whatever happened to saving version 3: two whole checkpoints, of the versions that the order allows.
void check_two_are_whole(const fs::path& folder) {
  const std::int64_t newer = last(folder), older = previous(folder);
  CHECK(((newer == 2 && (older == 1 || older == 2)) || (newer == 3 && (older == 1 || older == 2))));
}

}  // namespace

TEST_CASE("a save whose n-th system call fails leaves two whole checkpoints and says what failed, for every n") {
  const TemporaryFolder temp;
  int faults = 0;
  for (const std::string fault : {"ENOSPC", "EIO", "EDQUOT", "EROFS", "EACCES", "EMFILE", "ESTALE", "EINTR"}) {
    int syncs = 0;
    for (int at = 1;; ++at) {
      CAPTURE(fault, at);
      const fs::path folder = folder_with_two(temp / (fault + std::to_string(at)));
      const SaveResult result = save_with_fault(folder, 3, fault, at);
      if (!result.acted) break;
      ++faults;
      INFO(result.message);
      check_two_are_whole(folder);
      CHECK(files_in(folder) <= 3);  // at most the temporary file whose removal failed
      // An interrupted write is done again, and behind the second fsync, of the folder, nothing can be lost.
      const bool harmless = syncs == 2 || result.message.find("EINTR at write") != std::string::npos;
      CHECK((result.code == 0) == harmless);
      syncs += result.message.find(" at fsync") != std::string::npos;
      if (harmless) {
        CHECK(last(folder) == 3);
        CHECK(previous(folder) == 2);
      } else {
        CHECK(result.code == static_cast<int>(ExitCode::kIo));
        CHECK_THAT(result.message, Contains((folder / "last.safetensors").string()) && Contains(fault));
        const bool in_place = result.message.find("the new file is in place") != std::string::npos;
        CHECK((in_place || result.message.find("what was there before is unchanged") != std::string::npos));
        CHECK(last(folder) == (in_place ? 3 : 2));
      }
      REQUIRE(save(folder, 4).code == 0);
      CHECK(last(folder) == 4);
    }
  }
  CHECK(faults >= 8 * 8);
}

TEST_CASE("a file system without links, or that cannot sync a folder, takes a save all the same") {
  const TemporaryFolder temp;
  const auto save_where = [&](const std::string& call, const std::string& fault, const std::string& at) {
    const fs::path folder = folder_with_two(temp / fault);
    const SaveResult result =
        save(folder, 3, "RTDETR_FAULT_CALL=" + call + " RTDETR_FAULT=" + fault + " RTDETR_FAULT_AT=" + at);
    INFO(result.message);
    CHECK(result.acted);
    CHECK(result.code == 0);
    CHECK(last(folder) == 3);
    CHECK(previous(folder) == 2);
    CHECK(files_in(folder) == 2);
  };
  for (const char* no_links : {"EPERM", "EOPNOTSUPP", "ENOSYS", "EMLINK"}) save_where("link", no_links, "1");
  save_where("fsync", "EINVAL", "2");
}

TEST_CASE("a write that comes back short is continued") {
  const TemporaryFolder temp;
  int shortened = 0;
  for (int at = 1;; ++at) {
    const fs::path folder = folder_with_two(temp / std::to_string(at));
    const SaveResult result = save_with_fault(folder, 3, "short", at);
    if (!result.acted) break;
    shortened += result.message.find("short at write") != std::string::npos ? 1 : 0;
    CHECK(result.code == 0);
    CHECK(last(folder) == 3);
    CHECK(previous(folder) == 2);
  }
  CHECK(shortened >= 1);
}

TEST_CASE("a save killed at its n-th system call leaves two whole checkpoints, for every n") {
  const TemporaryFolder temp;
  int kills = 0;
  for (int at = 1;; ++at, ++kills) {
    CAPTURE(at);
    const fs::path folder = folder_with_two(temp / std::to_string(at));
    const SaveResult result = save_with_fault(folder, 3, "kill", at);
    if (!result.acted) break;
    CHECK(result.code == -SIGKILL);
    check_two_are_whole(folder);
    remove_leftover_temporaries(folder);
    CHECK(files_in(folder) == 2);
    REQUIRE(save(folder, 4).code == 0);
    CHECK(last(folder) == 4);
  }
  CHECK(kills >= 8);
}

namespace {

/// An ext4 file system in a file, mounted where only this process and its children see it.
class PowerCutDisk {
 public:
  PowerCutDisk(const TemporaryFolder& temp, const std::string& options)
      : image_(temp / "disk.img"), mount_(temp / "disk"), options_("loop" + options) {
    fs::create_directories(mount_);
    std::ofstream(image_).close();
    fs::resize_file(image_, 16 << 20);
    usable_ = run("mkfs.ext4 -q -F '" + image_.string() + "'") && mount();
  }
  ~PowerCutDisk() { unmount(); }
  bool usable() const { return usable_; }
  fs::path path() const { return mount_; }
  bool mount() { return run("mount -o " + options_ + " '" + image_.string() + "' '" + mount_.string() + "'"); }
  void unmount() { run("umount '" + mount_.string() + "'"); }

 private:
  static bool run(const std::string& command) { return std::system((command + " >/dev/null 2>&1").c_str()) == 0; }

  fs::path image_, mount_;
  std::string options_;
  bool usable_ = false;
};

}  // namespace

TEST_CASE("power that fails at any system call of a save, or right after it, costs no saved checkpoint") {
  if (::geteuid() != 0) {
    WARN("skipped: mounting an ext4 file system needs root");
    return;
  }
  for (const std::string options : {"", ",noauto_da_alloc"}) {
    const TemporaryFolder temp;
    PowerCutDisk disk(temp, options);
    if (!disk.usable()) {
      WARN("skipped: no ext4 file system can be mounted from a file here");
      return;
    }
    int version = 2, cuts = 0;
    folder_with_two(disk.path() / "run");
    const fs::path folder = disk.path() / "run";
    for (int at = 1;; ++at) {
      CAPTURE(options, at, version);
      // The folder below the mount point is what the shim shuts down; version + 1 is under way.
      const SaveResult result = save_with_fault(folder, version + 1, "power", at);
      if (!result.acted) break;
      CHECK_THAT(result.message, !Contains("no shutdown"));
      disk.unmount();
      REQUIRE(disk.mount());
      const std::int64_t newest = last(folder), older = previous(folder);
      CHECK((newest == version || newest == version + 1));
      CHECK((older == version || older == version - 1));
      remove_leftover_temporaries(folder);
      version += 2;
      REQUIRE(save(folder, version - 1).code == 0);
      const SaveResult told = save(folder, version);  // reported as saved: a cut now must not lose it
      REQUIRE(told.code == 0);
      save(folder, 0, "RTDETR_FAULT_CALL=open RTDETR_FAULT=power RTDETR_FAULT_AT=1");
      disk.unmount();
      REQUIRE(disk.mount());
      CHECK(last(folder) == version);
      CHECK(previous(folder) == version - 1);
      remove_leftover_temporaries(folder);
      cuts += 2;
    }
    CHECK(cuts >= 16);
  }
}
