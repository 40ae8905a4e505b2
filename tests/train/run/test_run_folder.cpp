#include <unistd.h>

#include <fstream>

#include <catch2/catch.hpp>

#include "tests/support/temporary_folder.h"
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

}  // namespace rtdetr
