#include <unistd.h>

#include <fstream>

#include <catch2/catch.hpp>

#include "core/base/check.h"
#include "core/base/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thread_world.h"
#include "train/run/run_folder.h"

namespace rtdetr {

using test::TemporaryFolder;

TEST_CASE("fresh runs get fresh folders") {
  const TemporaryFolder temp;
  const RunFolder a = RunFolder::create(temp / "runs", "exp", false);
  const RunFolder b = RunFolder::create(temp / "runs", "exp", false);
  CHECK(a.path().filename() == "exp");
  CHECK(b.path().filename() == "exp-2");
}

TEST_CASE("a run folder that cannot be made says why, and that project= names another place") {
  const TemporaryFolder temp;
  std::ofstream(temp / "file") << "x";
  for (const bool exist_ok : {false, true})
    CHECK_THROWS_WITH(RunFolder::create(temp / "file/runs", "exp", exist_ok),
                      Catch::Contains("Not a directory (ENOTDIR); project= names a place where you may write"));
}

TEST_CASE("a folder in use is refused, its user named; a dead user leaves no lock") {
  const TemporaryFolder temp;
  {
    const RunFolder first(temp / "exp");
    CHECK_THROWS_WITH(RunFolder(temp / "exp"), Catch::Contains("process " + std::to_string(getpid())));
  }
  CHECK_NOTHROW(RunFolder(temp / "exp"));
}

TEST_CASE("of three processes one makes and locks the run's folder, and all know its name") {
  const TemporaryFolder temp;
  RunFolder::create(temp / "runs", "exp", false);
  std::vector<std::filesystem::path> names(3);
  test::ThreadWorld(3).run([&](ProcessGroup& group) {
    const RunFolder folder = open_together(group, [&] { return RunFolder::create(temp / "runs", "exp", false); });
    names[static_cast<std::size_t>(group.rank())] = folder.path();
    group.barrier();
    bool is_locked = group.is_main();
    try {
      if (!group.is_main()) RunFolder(folder.path());
    } catch (const ConfigError&) {
      is_locked = true;
    }
    group.barrier();
    RTDETR_CHECK(is_locked, "a second run could start");
  });
  for (const auto& name : names) CHECK(name == temp / "runs/exp-2");
  CHECK_FALSE(std::filesystem::exists(temp / "runs/exp-3"));
  CHECK_NOTHROW(RunFolder(temp / "runs/exp-2"));  // nobody holds it any more
}

TEST_CASE("a folder that the main process cannot open is its error, and a peer's on the others") {
  const TemporaryFolder temp;
  const RunFolder taken(temp / "exp");
  std::vector<int> codes(2);
  test::ThreadWorld(2).run([&](ProcessGroup& group) {
    try {
      open_together(group, [&] { return RunFolder(temp / "exp"); });
    } catch (const Error& error) {
      codes[static_cast<std::size_t>(group.rank())] = static_cast<int>(error.code());
    }
  });
  CHECK(codes == std::vector{static_cast<int>(ExitCode::kUsage), static_cast<int>(ExitCode::kPeer)});
}

}  // namespace rtdetr
