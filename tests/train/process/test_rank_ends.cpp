#include "train/process/rank_ends.h"

#include <catch2/catch.hpp>
#include <csignal>
#include <vector>

namespace rtdetr {
namespace {

constexpr auto kFrozen = RankEnd::Why::kFrozen, kMade = RankEnd::Why::kMade;

/// As waitpid() tells it.
int left(int code) { return code << 8; }
int killed(int signal) { return signal; }

RankEnd end(std::int64_t rank, int status, RankEnd::Why why = RankEnd::Why::kOwn) {
  return {.rank = rank, .process = static_cast<pid_t>(4710 + rank), .status = status, .why = why};
}

struct Row {
  std::vector<RankEnd> ends;
  int told_by = 0;
  int code = 0;
  std::vector<std::string> words;  ///< of the message; none: it is empty
};

void check(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    const Verdict verdict = verdict_of(row.ends, row.told_by, "gpu07");
    INFO(verdict.message);
    CHECK(static_cast<int>(verdict.code) == row.code);
    CHECK(verdict.message.empty() == row.words.empty());
    for (const std::string& word : row.words) CHECK_THAT(verdict.message, Catch::Contains(word));
  }
}

TEST_CASE("ranks that leave alike have said why themselves") {
  std::vector<Row> rows;
  for (const int code : {0, 2, 3, 4, 5, 6, 7, 8, 70, 75})
    rows.push_back({{end(1, left(code)), end(0, left(code))}, 0, code, {}});
  rows.push_back({{end(0, left(130)), end(1, left(130))}, SIGINT, 130, {}});
  check(rows);
}

TEST_CASE("the rank that failed first is named, with its code if that is one of ours") {
  check({
      {{end(1, left(3)), end(0, left(7))},
       0,
       3,
       {"rank 1 (process 4711 on gpu07) left with exit code 3 (data)", "; rank 0 left with exit code 7 (peer)"}},
      {{end(1, killed(SIGSEGV)), end(0, left(7))}, 0, 7, {"rank 1 (process 4711 on gpu07) was killed by SIGSEGV;"}},
      {{end(0, killed(SIGKILL)), end(1, left(7))},
       0,
       7,
       {"rank 0", "killed by SIGKILL, by hand or by the kernel when"}},
      {{end(2, left(1)), end(0, left(7)), end(1, left(7))}, 0, 7, {"rank 2", "exit code 1,"}},
      {{end(0, left(0)), end(1, left(8))},
       0,
       8,
       {"rank 1", "exit code 8 (memory)", "rank 0 left with exit code 0 (ok)"}},
      {{end(1, left(127)), end(0, left(127))}, 0, 7, {"rank 1 (process 4711 on gpu07) could not be started"}},
  });
}

TEST_CASE("a rank that left because of another is to blame only if there is no other") {
  check({
      {{end(0, left(7)), end(1, left(6))}, 0, 6, {"rank 1 (process 4711"}},
      {{end(0, left(7)), end(1, killed(SIGKILL), kMade)}, 0, 7, {"rank 0 (process 4710", "rank 1 had to be ended"}},
      {{end(0, left(7)), end(1, left(70), kMade)}, 0, 7, {"rank 0 (process 4710", "rank 1 had to be ended"}},
  });
}

TEST_CASE("a rank that stood still is to blame, whoever left before it was ended") {
  check({
      {{end(1, killed(SIGKILL), kFrozen), end(0, left(7))}, 0, 7, {"rank 1", "stood still", "rank 0 left with"}},
      {{end(0, left(7)), end(1, killed(SIGKILL), kFrozen)}, 0, 7, {"rank 1 (process 4711 on gpu07) stood still"}},
  });
}

TEST_CASE("a job that is told to stop before its ranks could save ends with 128 + signal") {
  check({
      {{end(0, killed(SIGINT)), end(1, left(130))}, SIGINT, 130, {"stopped by SIGINT before all ranks were at work"}},
      {{end(0, killed(SIGTERM)), end(1, killed(SIGTERM))}, SIGTERM, 143, {"stopped by SIGTERM"}},
      {{end(0, killed(SIGTERM)), end(1, killed(SIGKILL), kMade)}, SIGTERM, 143, {"rank 1 had to be ended"}},
      {{end(0, killed(SIGTERM)), end(1, left(5))},
       SIGTERM,
       5,
       {"rank 1 (process 4711 on gpu07) left with exit code 5"}},
      {{end(0, killed(SIGTERM)), end(1, left(7))}, 0, 7, {"rank 0 (process 4710 on gpu07) was killed by SIGTERM"}},
  });
}

TEST_CASE("ranks that leave differently without a failure are a fault of the program") {
  check({
      {{end(1, left(0)), end(0, left(75))},
       SIGTERM,
       70,
       {"do not agree", "rank 1 left with exit code 0 (ok)", "75 (stopped)"}},
  });
}

}  // namespace
}  // namespace rtdetr
