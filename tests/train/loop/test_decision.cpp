#include "train/loop/decision.h"

#include <vector>

#include <catch2/catch.hpp>

#include "tests/support/thread_world.h"

namespace rtdetr {

TEST_CASE("a process alone decides as it sees it") {
  const Decision fine = agree({.seconds = 0.1}, world_of_one());
  CHECK(fine.finite);
  CHECK_FALSE(fine.stop);
  CHECK(fine.seconds == 0.1);
  const Decision ill = agree({.finite = false, .stop = true, .seconds = 3}, world_of_one());
  CHECK_FALSE(ill.finite);
  CHECK(ill.stop);
  CHECK(ill.seconds == 3);
}

TEST_CASE("all processes go the way of the one that cannot go on, by the slowest one's clock") {
  const std::vector<Decision> mine{{.seconds = 1}, {.stop = true, .seconds = 7}, {.finite = false, .seconds = 2}};
  std::vector<Decision> agreed(mine.size());
  test::ThreadWorld(3).run([&](ProcessGroup& group) {
    const auto rank = static_cast<std::size_t>(group.rank());
    agreed[rank] = agree(mine[rank], group);
  });
  for (const Decision& decision : agreed) {
    CHECK_FALSE(decision.finite);
    CHECK(decision.stop);
    CHECK(decision.seconds == 7);
  }
}

}  // namespace rtdetr
