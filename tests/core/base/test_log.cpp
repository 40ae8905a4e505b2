#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/io/file.h"
#include "tests/support/captured_stderr.h"

using namespace rtdetr;
using test::stderr_of;

TEST_CASE("messages go to stderr, labelled unless they are plain information") {
  const std::string text = stderr_of([] {
    log::debug("hidden");
    log::info("said");
    log::warning("beware");
    log::error("broken");
  });
  CHECK(text == "said\nwarning: beware\nerror: broken\n");
}

TEST_CASE("the level hides what is below it") {
  const std::string text = stderr_of([] {
    log::set_level(log::Level::kWarning);
    log::info("hidden");
    log::progress("hidden");
    log::end_progress();
    log::set_level(log::Level::kDebug);
    log::debug("shown");
    log::set_level(log::Level::kInfo);
  });
  CHECK(text == "debug: shown\n");
}

TEST_CASE("control characters in a message do not reach the terminal") {
  CHECK(stderr_of([] { log::info("a\x1b[31mb\rc"); }) == "a?[31mb?c\n");
}

TEST_CASE("off a terminal progress is a first and a last plain line, however often it is told") {
  const std::string text = stderr_of([] {
    for (int i = 0; i < 1000; ++i) log::progress("step " + std::to_string(i));
    log::end_progress();
    log::end_progress();
  });
  CHECK(text == "step 0\nstep 999\n");
}

TEST_CASE("a single progress line is printed once") {
  const std::string text = stderr_of([] {
    log::progress("one");
    log::end_progress();
  });
  CHECK(text == "one\n");
}

TEST_CASE("lines of many threads stay whole") {
  const std::string text = stderr_of([] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([] {
        for (int i = 0; i < 200; ++i) log::info(std::string(50, 'x'));
      });
    }
    for (auto& thread : threads) thread.join();
  });
  const std::vector<std::string> lines = split(text, '\n');
  REQUIRE(lines.size() == 801);
  for (std::size_t i = 0; i < 800; ++i) REQUIRE(lines[i] == std::string(50, 'x'));
}
