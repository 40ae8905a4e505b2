#include "train/process/rank_output.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "core/base/descriptor.h"
#include "core/base/log.h"
#include "core/base/progress.h"
#include "core/base/text.h"
#include "core/io/file.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;

namespace {

/// Progress is told in JSON while it lives.
struct TellsJson {
  TellsJson() { log::set_progress_form(log::ProgressForm::kJson); }
  ~TellsJson() { log::set_progress_form(log::ProgressForm::kAuto); }
};

/// A rank writes that, and ends.
void pass_on(const std::string& written, int to) {
  RankOutput output(to);
  Descriptor rank = output.open(3);
  std::thread writer([&] {
    for (std::size_t at = 0; at < written.size();) {
      const ssize_t count = ::write(rank.number(), written.data() + at, written.size() - at);
      if (count <= 0) break;
      at += static_cast<std::size_t>(count);
    }
    rank.close();
  });
  output.finish(20);
  writer.join();
}

std::string passed_on(const std::string& written) {
  const test::TemporaryFolder folder;
  const Descriptor to(::open((folder / "out").c_str(), O_WRONLY | O_CREAT, 0600));
  pass_on(written, to.number());
  return read_text_file(folder / "out");
}

/// The lines of what comes out in JSON, each an object of rank 3.
std::vector<nlohmann::json> objects_of(const std::string& written) {
  const TellsJson json;
  std::vector<nlohmann::json> objects;
  const std::string text = passed_on(written);
  for (const std::string& line : split(text, '\n')) {
    if (line.empty()) continue;
    objects.push_back(nlohmann::json::parse(line));
    CHECK(line.rfind("{\"rank\":3,", 0) == 0);
  }
  return objects;
}

std::string message_of(const std::string& text) { return log::message_event(log::Level::kInfo, text) + "\n"; }

}  // namespace

TEST_CASE("lines of a rank have its number before them") {
  CHECK(passed_on("said\n{no event}\nwithout an end") == "rank 3: said\nrank 3: {no event}\nrank 3: without an end\n");
}

TEST_CASE("objects of JSON have the rank's number as a member, and all else is the text of such an object") {
  const TellsJson json;
  CHECK(passed_on("{\"type\":\"message\",\"text\":\"a\"}\n") == "{\"rank\":3,\"type\":\"message\",\"text\":\"a\"}\n");
  CHECK(passed_on("free(): \"invalid\" pointer\n") ==
        "{\"rank\":3,\"type\":\"message\",\"level\":\"warning\",\"text\":\"free(): \\\"invalid\\\" pointer\"}\n");
  CHECK(passed_on("\x80") == "{\"rank\":3,\"type\":\"message\",\"level\":\"warning\",\"text\":\"\xEF\xBF\xBD\"}\n");
}

TEST_CASE("an object that its rank did not end, or that another text follows, is a text") {
  const auto objects = objects_of("{\"type\":\"step\"}terminate called\n{\"type\":\"st");
  REQUIRE(objects.size() == 2);
  CHECK(objects[0].at("text") == "{\"type\":\"step\"}terminate called");
  CHECK(objects[1].at("text") == "{\"type\":\"st");
}

TEST_CASE("a long object stays one, and a long text becomes several, cut between characters") {
  const std::string text(200'000, 'x');
  const auto event = objects_of(message_of(text));
  REQUIRE(event.size() == 1);
  CHECK(event[0].at("text") == text);
  std::string umlauts = "a", together;
  while (umlauts.size() < 150'000) umlauts += "\xC3\xA4";
  const auto parts = objects_of(umlauts + "\n");
  CHECK(parts.size() == 3);
  for (const auto& part : parts) together += part.at("text").get<std::string>();
  CHECK(together == umlauts);
  CHECK(objects_of(message_of(std::string(3'000'000, 'y'))).size() > 1);
}

TEST_CASE("objects are written whole, so that another process's lines come between them") {
  const TellsJson json;
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_DIRECT | O_CLOEXEC) == 0);  // one read gives what one write took, up to a page
  const Descriptor from(ends[0]);
  Descriptor to(ends[1]);
  std::string written;
  for (int i = 0; i < 20; ++i) written += message_of(std::string(700, 'x'));
  pass_on(written, to.number());
  to.close();
  std::array<char, 1 << 16> bytes;
  int pieces = 0;
  for (ssize_t count = 0; (count = ::read(from.number(), bytes.data(), bytes.size())) > 0; ++pieces)
    CHECK(bytes[static_cast<std::size_t>(count) - 1] == '\n');
  CHECK(pieces >= 4);
}

TEST_CASE("a terminal is told to clear its line before a text, and before no object") {
  ::setenv("TERM", "xterm", 1);  // whatever terminal the tests run on
  const Descriptor screen(::posix_openpt(O_RDWR | O_NOCTTY));
  if (!screen || ::grantpt(screen.number()) != 0 || ::unlockpt(screen.number()) != 0) return;
  const Descriptor terminal(::open(::ptsname(screen.number()), O_RDWR | O_NOCTTY));
  REQUIRE(terminal);
  const auto shown = [&] {
    std::array<char, 4096> bytes;
    const ssize_t count = ::read(screen.number(), bytes.data(), bytes.size());
    return std::string(bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  };
  pass_on("said\n", terminal.number());
  CHECK(shown() == "\r\033[Krank 3: said\r\n");
  const TellsJson json;
  pass_on(message_of("said"), terminal.number());
  CHECK(shown() == "{\"rank\":3,\"type\":\"message\",\"level\":\"info\",\"text\":\"said\"}\r\n");
}
