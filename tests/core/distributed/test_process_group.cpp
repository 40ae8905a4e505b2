#include "core/base/check.h"
#include "core/distributed/process_group.h"

#include <torch/types.h>
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "core/base/error.h"
#include "tests/support/thread_world.h"

namespace rtdetr {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST_CASE("a world of one is its own main process and leaves every value as it is") {
  ProcessGroup& group = world_of_one();
  CHECK(group.rank() == 0);
  CHECK(group.size() == 1);
  CHECK(group.is_main());
  std::array<double, 3> numbers{0.1, -3, kNan};
  group.all_reduce(numbers, Reduction::kSum);
  group.broadcast(numbers);
  CHECK(numbers[0] == 0.1);
  CHECK(numbers[1] == -3);
  CHECK(std::isnan(numbers[2]));
  std::array<std::int64_t, 2> counts{7, -1};
  for (const Reduction how : {Reduction::kSum, Reduction::kMax, Reduction::kMin}) group.all_reduce(counts, how);
  CHECK(counts == std::array<std::int64_t, 2>{7, -1});
  group.all_reduce(std::span<double>(), Reduction::kMax);
  group.barrier();
}

TEST_CASE("what a transport could not reduce is refused in a world of one already") {
  ProcessGroup& group = world_of_one();
  std::array<double, 2> numbers{1, kNan};
  CHECK_THROWS_AS(group.all_reduce(numbers, Reduction::kMax), InternalError);
  CHECK_THROWS_AS(group.all_reduce(numbers, Reduction::kMin), InternalError);
  CHECK_THROWS_AS(group.broadcast(numbers, 1), InternalError);
  CHECK_THROWS_AS(group.all_reduce(torch::ones({2, 3}).t(), Reduction::kSum), InternalError);
  CHECK_THROWS_AS(group.broadcast(torch::Tensor()), InternalError);
}

TEST_CASE("a world of one does not wait for a device: what lies there is not looked at") {
  const torch::Tensor elsewhere = torch::empty({2}, torch::kMeta);  // reading one of its numbers would throw
  for (const Reduction how : {Reduction::kSum, Reduction::kMax, Reduction::kMin})
    CHECK_NOTHROW(world_of_one().all_reduce(elsewhere, how));
  CHECK_NOTHROW(world_of_one().broadcast(elsewhere));
}

TEST_CASE("two ranks reduce and share their numbers in place") {
  test::ThreadWorld(2).run([](ProcessGroup& group) {
    const auto rank = static_cast<double>(group.rank());
    std::vector<double> sum{1 + rank, 10}, most{rank, -rank}, least{rank, -rank};
    group.all_reduce(sum, Reduction::kSum);
    group.all_reduce(most, Reduction::kMax);
    group.all_reduce(least, Reduction::kMin);
    std::array<std::int64_t, 1> boxes{group.rank() == 0 ? 5 : 0};
    group.all_reduce(boxes, Reduction::kSum);
    std::array<std::int64_t, 2> seed{group.rank(), 40 + group.rank()};
    group.broadcast(seed, 1);
    const torch::Tensor moments = torch::full({2, 3}, 0.5 + rank);
    group.all_reduce(moments, Reduction::kSum);
    // Catch2's assertions are for one thread: a mistake leaves as an exception.
    RTDETR_CHECK((sum == std::vector<double>{3, 20}), "sum");
    RTDETR_CHECK((most == std::vector<double>{1, 0}), "maximum");
    RTDETR_CHECK((least == std::vector<double>{0, -1}), "minimum");
    RTDETR_CHECK(boxes[0] == 5, "sum of whole numbers");
    RTDETR_CHECK((seed == std::array<std::int64_t, 2>{1, 41}), "broadcast");
    RTDETR_CHECK(moments.eq(2).all().item<bool>(), "sum of tensors");
  });
}

TEST_CASE("a text of any length is shared, zero bytes and all") {
  for (const std::size_t length : {0, 1, 7, 8, 9, 4000}) {
    std::string text(length, 'x');
    if (length > 1) text[length - 2] = '\0';
    test::ThreadWorld(3).run([&](ProcessGroup& group) {
      std::string own = group.rank() == 1 ? text : std::string(11, 'o');
      group.broadcast(own, 1);
      RTDETR_CHECK(own == text, std::to_string(length) + " bytes became " + std::to_string(own.size()));
    });
  }
  std::string alone = "as it was";
  world_of_one().broadcast(alone);
  CHECK(alone == "as it was");
}

struct Found {
  std::int64_t picture = 0;
  double score = 0;
  bool operator==(const Found&) const = default;
};

TEST_CASE("records of all ranks are gathered by rank, however many each has, bit for bit") {
  for (std::int64_t size = 1; size <= 4; ++size) {
    std::vector<std::vector<Found>> expected(static_cast<std::size_t>(size));
    for (std::int64_t rank = 0; rank < size; ++rank) {
      for (std::int64_t i = 0; i < rank * rank % 3 * 40; ++i)  // none, 40 or 80
        expected[static_cast<std::size_t>(rank)].push_back(
            {100 * rank + i, i == 0 ? -0.0 : 0.1 * static_cast<double>(i)});
    }
    test::ThreadWorld(size).run([&](ProcessGroup& group) {
      const auto all = group.all_gather(expected[static_cast<std::size_t>(group.rank())]);
      RTDETR_CHECK(all == expected, "other records in a world of " + std::to_string(size));
      for (const std::vector<Found>& records : all)
        RTDETR_CHECK(records.empty() || std::signbit(records[0].score), "a zero has lost its sign");
      RTDETR_CHECK(group.all_gather(std::vector<double>()) == std::vector<std::vector<double>>(all.size()), "nothing");
    });
  }
}

/// What a training step may be asked after it, as every rank sees it for itself.
struct OwnView {
  bool finite = true, stop = false, out_of_time = false;
};

TEST_CASE("a reduced decision is the same on both ranks, whoever has the reason") {
  for (int reasons = 0; reasons < 64; ++reasons) {
    std::array<std::array<std::int64_t, 3>, 2> decisions{};
    test::ThreadWorld(2).run([&](ProcessGroup& group) {
      const int own = group.rank() == 0 ? reasons & 7 : reasons >> 3;
      const OwnView view{.finite = (own & 1) == 0, .stop = (own & 2) != 0, .out_of_time = (own & 4) != 0};
      auto& decision = decisions[static_cast<std::size_t>(group.rank())];
      decision = {!view.finite, view.stop, view.out_of_time};
      group.all_reduce(decision, Reduction::kMax);
    });
    INFO("reasons " << reasons);
    CHECK(decisions[0] == decisions[1]);
    const int either = (reasons | reasons >> 3) & 7;
    CHECK(decisions[0] == std::array<std::int64_t, 3>{either & 1, either >> 1 & 1, either >> 2});
  }
}

TEST_CASE("nobody passes a barrier before all have come") {
  std::atomic<int> come{0};
  test::ThreadWorld(3).run([&](ProcessGroup& group) {
    for (int round = 1; round <= 20; ++round) {
      ++come;
      group.barrier();
      RTDETR_CHECK(come.load() >= 3 * round, "passed with " + std::to_string(come.load()));
    }
  });
  CHECK(come == 60);
}

TEST_CASE("a broadcast from nobody is refused on every rank") {
  CHECK_THROWS_AS(test::ThreadWorld(2).run([](ProcessGroup& group) {
    std::array<double, 1> number{0};
    group.broadcast(number, 2);
  }),
                  InternalError);
}

}  // namespace
}  // namespace rtdetr
