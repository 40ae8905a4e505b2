#include "core/base/read_ahead.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <stdexcept>
#include <thread>

using namespace rtdetr;

TEST_CASE("items made ahead come in order, each once, whatever the threads") {
  for (const int threads : {0, 1, 2, 8}) {
    INFO(threads);
    ReadAhead<std::unique_ptr<int>> items(200, threads, 5, [](std::size_t i) {
      if (i % 7 == 0) std::this_thread::yield();
      return std::make_unique<int>(static_cast<int>(i));
    });
    for (int i = 0; i < 200; ++i) REQUIRE(**items.next() == i);
    CHECK_FALSE(items.next());
    CHECK_FALSE(items.next());
  }
}

TEST_CASE("no more items are made ahead than asked for") {
  std::atomic<int> made = 0;
  int handed = 0, most = 0;
  ReadAhead<int> items(100, 2, 4, [&](std::size_t i) {
    ++made;
    return static_cast<int>(i);
  });
  while (items.next()) {
    ++handed;
    most = std::max(most, made.load() - handed);
  }
  CHECK(made == 100);
  CHECK(most <= 4);
}

TEST_CASE("what making an item throws is thrown in its place, and the next ones come") {
  for (const int threads : {0, 3}) {
    ReadAhead<int> items(10, threads, 10, [](std::size_t i) {
      if (i == 4) throw std::runtime_error("four");
      return static_cast<int>(i);
    });
    for (int i = 0; i < 4; ++i) CHECK(*items.next() == i);
    CHECK_THROWS_WITH(items.next(), "four");
    CHECK(*items.next() == 5);
  }
}

TEST_CASE("nothing is made of no items, and items that nobody takes are let go") {
  ReadAhead<int> none(0, 3, 5, [](std::size_t) { return 1; });
  CHECK_FALSE(none.next());
  ReadAhead<int> left(1000, 3, 5, [](std::size_t i) { return static_cast<int>(i); });
  CHECK(*left.next() == 0);
}
