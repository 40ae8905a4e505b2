#include <unistd.h>

#include <array>
#include <csignal>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "core/io/file.h"
#include "tests/support/micro_run.h"
#include "tests/support/program.h"
#include "tests/support/temporary_folder.h"

/// The program with its standard streams closed, or read by nobody.
namespace rtdetr {

using Catch::Contains;
using test::make_micro_run;
using test::micro_command;
using test::Program;
using test::TemporaryFolder;

namespace {

using Changes = std::map<std::string, std::string>;

/// In the child: both outputs lead into a pipe whose reader has ended.
void lose_readers() {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) _exit(126);
  dup2(ends[1], STDOUT_FILENO);
  dup2(ends[1], STDERR_FILENO);
  for (const int end : ends) close(end);
  std::signal(SIGPIPE, SIG_DFL);
}

void close_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) close(stream);
}

std::vector<std::string> whole_lines(const std::filesystem::path& file) {
  std::vector<std::string> lines = split(read_text_file(file), '\n');
  CHECK(lines.back().empty());
  lines.pop_back();
  return lines;
}

}  // namespace

TEST_CASE("a run whose output nobody reads goes to its end, and writes it into its folder") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  Program program(micro_command(settings, "exp", {{"quiet", "false"}}), {}, lose_readers);
  CHECK(program.wait() == 0);
  const std::string output = read_text_file(temp / "runs/exp/output.txt");
  CHECK_THAT(output, Contains("writing to ") && Contains("epoch 3/3") && Contains("epoch 3: AP "));
  CHECK_THAT(output, Contains("warning: standard output takes nothing: Broken pipe (EPIPE)"));
  CHECK_THAT(output, Contains("best epoch, every decoder layer:") && Contains("next:\n  rtdetr val"));
}

TEST_CASE("a run that ends with an error says so in its folder when nobody reads its output") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const Changes keys{{"save_steps", "1"}, {"val", "false"}};
  std::vector<std::string> full{"LD_PRELOAD=" RTDETR_IO_FAULTS,
                                "RTDETR_FAULT_IN=" + (temp / "runs/exp").string(),
                                "RTDETR_FAULT_CALL=fsync",
                                "RTDETR_FAULT=ENOSPC",
                                "RTDETR_FAULT_AT=7",
                                "RTDETR_FAULT_LASTS=1"};
  Program program(micro_command(settings, "exp", keys), full, lose_readers);
  CHECK(program.wait() == 5);
  CHECK_THAT(read_text_file(temp / "runs/exp/output.txt"), Contains("rtdetr: error: ") && Contains("ENOSPC"));
}

TEST_CASE("a run that is started with its standard streams closed writes its own words into its own files") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  for (const std::string threads : {"1", "2"}) {  // with two it restarts itself
    const Changes keys{{"quiet", "false"}, {"threads", threads}};
    Program program(micro_command(settings, "exp" + threads, keys), {}, close_streams);
    CHECK(program.wait() == 0);
    const std::filesystem::path folder = temp / ("runs/exp" + threads);
    CHECK_THAT(read_text_file(folder / ".lock"), Catch::StartsWith("process ") && !Contains("\n"));
    for (const std::string& line : whole_lines(folder / "log.jsonl")) CHECK(nlohmann::json::accept(line));
    const std::vector<std::string> rows = whole_lines(folder / "results.csv");
    REQUIRE(rows.size() == 4);
    for (std::size_t i = 1; i < rows.size(); ++i) CHECK(split(rows[i], ',').size() == split(rows.front(), ',').size());
  }
}

TEST_CASE("any other command ends without a word when nobody reads its output, as cat does") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const std::vector<std::string> words{"check", "quiet=true", "data=" + settings.data};
  for (const bool ignored : {false, true}) {
    Program program(words, {}, [ignored] {
      const int kept = dup(STDERR_FILENO);
      lose_readers();
      dup2(kept, STDERR_FILENO);
      close(kept);
      if (ignored) std::signal(SIGPIPE, SIG_IGN);
    });
    CHECK(program.wait() == -SIGPIPE);
    CHECK(program.err().empty());
  }
}

}  // namespace rtdetr
