#include "core/base/short_waits.h"

#include <omp.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <thread>

using rtdetr::ContentionJudge;
using rtdetr::ShortWaits;
using rtdetr::SleepingTeam;

namespace {

std::ptrdiff_t threads_of_process() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), std::filesystem::directory_iterator());
}

/// Whether the process comes down to so many threads: OpenMP's are not joined, and one that is joined stands in /proc
/// for a moment more. Gives up after what can only be a hang.
bool comes_down_to(std::ptrdiff_t count) {
  constexpr int kTries = 600'000;
  for (int i = 0; i < kTries && threads_of_process() != count; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return threads_of_process() == count;
}

bool add_many(ContentionJudge& judge, int samples, std::int64_t preemptions) {
  for (int i = 0; i < samples; ++i) judge.add(preemptions);
  return judge.contended();
}

}  // namespace

TEST_CASE("contention is seen within a tenth of a second") {
  ContentionJudge judge;
  CHECK_FALSE(add_many(judge, 4, 2));
  CHECK(add_many(judge, 1, 2));
  ContentionJudge other;
  CHECK(other.add(12));
}

TEST_CASE("the preemptions of an idle machine are no contention") {
  ContentionJudge judge;
  CHECK_FALSE(add_many(judge, 1000, 1));
  CHECK_FALSE(judge.add(5));
  CHECK_FALSE(add_many(judge, 3, 0));
}

TEST_CASE("contention is over after a quiet second, and not before") {
  ContentionJudge judge;
  REQUIRE(judge.add(12));
  CHECK(add_many(judge, 49, 0));
  CHECK_FALSE(judge.add(0));
  CHECK_FALSE(add_many(judge, 100, 1));
  REQUIRE(judge.add(12));
  CHECK(add_many(judge, 500, 4));  // it goes on
}

TEST_CASE("a sleeping team is one thread more than there are cores, and leaves none behind") {
  const auto before = threads_of_process();
  {
    const SleepingTeam team;
    CHECK(threads_of_process() == before + omp_get_num_procs() + 1);
  }
  CHECK(comes_down_to(before));
}

TEST_CASE("all who compute share one watcher, which ends with the last; the environment switches it off") {
  for (const char* name : {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}) unsetenv(name);
  const auto before = threads_of_process();
  {
    const auto one = ShortWaits::shared(), two = ShortWaits::shared();
    REQUIRE(one);
    CHECK(one == two);
    const ShortWaits::Computing computing(one.get()), nested(two.get()), unwatched(nullptr);
    CHECK(threads_of_process() > before);
  }
  CHECK(comes_down_to(before));
  for (const char* name : {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}) {
    setenv(name, "0", 1);
    CHECK_FALSE(ShortWaits::shared());
    unsetenv(name);
  }
}
