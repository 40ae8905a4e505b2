#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/io/file.h"
#include "tests/support/micro_run.h"
#include "tests/support/program.h"
#include "tests/support/temporary_folder.h"
#include "train/run/run_folder.h"

/// A hundred processes ask for a run folder at the same moment.
namespace rtdetr {

using test::TemporaryFolder;

namespace {

constexpr int kProcesses = 100;

/// A gate that opens for all who wait at once.
class Gate {
 public:
  Gate() { REQUIRE(pipe(ends_.data()) == 0); }
  ~Gate() { close(ends_[0]); }
  void wait() const {
    close(ends_[1]);
    char nothing = 0;
    if (read(ends_[0], &nothing, 1) != 0) _exit(99);
  }
  void open() const { close(ends_[1]); }

 private:
  std::array<int, 2> ends_{};
};

/// Each child asks for its folder when `start` opens, leaves its number in it, and keeps it until `end` opens.
/// @return  exit codes of all; 1 = a file of another process was in the folder
template <class Ask>
std::vector<int> ask_all_at_once(const Ask& ask) {
  const Gate start, end;
  std::array<int, 2> answers{};
  REQUIRE(pipe(answers.data()) == 0);
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    children.push_back(child);
    if (child > 0) continue;
    start.wait();
    int code = 0;
    try {
      const RunFolder folder = ask();
      const bool alone = !std::filesystem::exists(folder.path() / "mine");
      write_text_atomically(folder.path() / "mine", std::to_string(getpid()));
      if (write(answers[1], "+", 1) != 1 || !alone) code = 1;
      end.wait();
    } catch (const Error& error) {
      code = static_cast<int>(error.code());
      if (write(answers[1], "-", 1) != 1) code = 1;
    }
    _exit(code);
  }
  start.open();
  char answer = 0;
  for (int i = 0; i < kProcesses; ++i) REQUIRE(read(answers[0], &answer, 1) == 1);
  end.open();
  std::vector<int> codes;
  for (const pid_t child : children) {
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    codes.push_back(WIFEXITED(status) ? WEXITSTATUS(status) : -1);
  }
  for (const int descriptor : answers) close(descriptor);
  return codes;
}

}  // namespace

TEST_CASE("a hundred runs that start at once under one name get a hundred folders") {
  const TemporaryFolder temp;
  const auto codes = ask_all_at_once([&] { return RunFolder::create(temp / "runs", "exp", /*exist_ok=*/false); });
  CHECK(std::count(codes.begin(), codes.end(), 0) == kProcesses);
  std::set<std::string> owners;
  for (int i = 1; i <= kProcesses; ++i) {
    owners.insert(read_text_file(temp / "runs" / (i == 1 ? "exp" : "exp-" + std::to_string(i)) / "mine"));
  }
  CHECK(owners.size() == kProcesses);
}

TEST_CASE("what a run writes has the modes that the umask says") {
  const TemporaryFolder temp;
  const Settings settings = test::make_micro_run(temp.path());
  test::Program program(test::micro_command(settings, "exp", {{"epochs", "1"}, {"plots", "true"}}), {},
                        [] { ::umask(002); });
  REQUIRE(program.wait() == 0);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(temp / "runs")) {
    INFO(entry.path());
    CHECK(static_cast<int>(entry.status().permissions()) == (entry.is_directory() ? 0775 : 0664));
  }
}

TEST_CASE("of a hundred runs that continue one folder at once exactly one does; the others exit with 2") {
  const TemporaryFolder temp;
  const auto codes = ask_all_at_once([&] { return RunFolder(temp / "runs/exp"); });
  CHECK(std::count(codes.begin(), codes.end(), 0) == 1);
  CHECK(std::count(codes.begin(), codes.end(), 2) == kProcesses - 1);
}

}  // namespace rtdetr
