#include <catch2/catch.hpp>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "core/base/log.h"
#include "core/base/log_level.h"
#include "core/base/progress.h"
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
    CHECK(log::level() == log::Level::kInfo);
    log::set_level(log::Level::kWarning);
    CHECK(log::level() == log::Level::kWarning);
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
  CHECK(stderr_of([] {
          log::info(
              "a\xc2\x9b"  // U+009B, which is that sequence's beginning, too
              "31m\xc2\xa0\xc3\x9b");
        }) == "a??31m\xc2\xa0\xc3\x9b\n");
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

namespace {

/// The same with progress told in that form; afterwards it is as it was.
std::string stderr_in(log::ProgressForm form, const std::function<void()>& action) {
  return stderr_of([&] {
    log::set_progress_form(form);
    action();
    log::set_progress_form(log::ProgressForm::kAuto);
  });
}

}  // namespace

TEST_CASE("progress in JSON is a first and a last object, and messages are objects too, whatever stands in them") {
  const std::string text = stderr_in(log::ProgressForm::kJson, [] {
    for (int i = 0; i < 1000; ++i) log::progress("step", "{\"type\":\"step\",\"step\":" + std::to_string(i) + "}");
    log::warning("a \"name\"\n\x1b[31m\xff");
    log::end_progress();
    log::progress("compared 1 of 2");
    log::happened("AP 0.5", "{\"type\":\"validation\",\"ap\":0.5}");
  });
  const std::vector<std::string> lines = split(text, '\n');
  REQUIRE(lines.size() == 6);
  CHECK(lines.back().empty());
  std::vector<nlohmann::json> events;
  for (std::size_t i = 0; i < 5; ++i) events.push_back(nlohmann::json::parse(lines[i]));
  CHECK(events[0]["step"] == 0);
  CHECK(events[1] == nlohmann::json{{"type", "message"}, {"level", "warning"}, {"text", "a \"name\"\n\x1b[31m\uFFFD"}});
  CHECK(events[2]["step"] == 999);
  CHECK(events[3] == nlohmann::json{{"type", "progress"}, {"text", "compared 1 of 2"}});
  CHECK(events[4]["ap"] == 0.5);
}

TEST_CASE("the level hides messages, but no progress that was asked for by its form") {
  const auto all = [] {
    log::set_level(log::Level::kWarning);
    log::info("hidden");
    log::progress("a line", "{\"type\":\"step\"}");
    log::end_progress();
    log::happened("AP 0.5", "{\"type\":\"validation\"}");
    log::set_level(log::Level::kInfo);
  };
  CHECK(stderr_in(log::ProgressForm::kAuto, all).empty());
  CHECK(stderr_in(log::ProgressForm::kPlain, all) == "a line\n");
  CHECK(stderr_in(log::ProgressForm::kJson, all) == "{\"type\":\"step\"}\n{\"type\":\"validation\"}\n");
}

TEST_CASE("without progress messages stay, and what has happened is one") {
  const std::string text = stderr_in(log::ProgressForm::kNone, [] {
    log::progress("a line", "{}");
    log::end_progress();
    log::info("said");
    log::happened("AP 0.5", "{}");
  });
  CHECK(text == "said\nAP 0.5\n");
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
