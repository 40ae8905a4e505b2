// Completion scripts, in the shell that is everywhere, and the page for man.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "core/base/text.h"
#include "tests/train/program/command_line.h"
#include "train/config/keys.h"

namespace rtdetr::test {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
namespace fs = std::filesystem;

namespace {

/// What bash offers when the tab key is hit behind `line`.
std::set<std::string> offered(const Scratch& scratch, const std::string& line, const std::string& breaks = " =:") {
  std::string words;
  for (const std::string& word : split(line, ' ')) words += " '" + word + "'";
  const std::string script =
      scratch.write("complete.bash",
                    "compopt() { :; }\nsource <('" RTDETR_PROGRAM "' completion bash)\ncomplete -p rtdetr >&2\ncd '" +
                        scratch.path.string() + "'\nCOMP_WORDBREAKS='" + breaks + "'\nCOMP_LINE='" + line +
                        "'\nCOMP_POINT=${#COMP_LINE}\nCOMP_WORDS=(" + words +
                        ")\nCOMP_WORDS[0]='" RTDETR_PROGRAM "'\n_rtdetr\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n");
  const std::string out = scratch.file("offered"), err = scratch.file("complained");
  const int status = std::system(("bash '" + script + "' >'" + out + "' 2>'" + err + "'").c_str());
  CHECK(status == 0);
  CHECK(read(err) == "complete -F _rtdetr rtdetr\n");
  std::set<std::string> found;
  for (const std::string& word : split(read(out), '\n'))
    if (!word.empty()) found.insert(word);
  return found;
}

}  // namespace

TEST_CASE("bash completes commands, keys, and what a key accepts") {
  const Scratch scratch;
  scratch.write("best.safetensors", "");
  CHECK(offered(scratch, "rtdetr tr") == std::set<std::string>{"train"});
  CHECK(offered(scratch, "rtdetr ").size() == all_commands().size() + 2);
  CHECK(offered(scratch, "rtdetr li") == std::set<std::string>{"licences"});
  CHECK(offered(scratch, "rtdetr train warmup_s") == std::set<std::string>{"warmup_steps="});
  CHECK(offered(scratch, "rtdetr train --warmup_s") == std::set<std::string>{"--warmup_steps="});
  CHECK(offered(scratch, "rtdetr train epochs=3 schedule=c") == std::set<std::string>{"constant", "cosine"});
  CHECK(offered(scratch, "rtdetr train schedule=c", " ") ==
        std::set<std::string>{"schedule=constant", "schedule=cosine"});
  CHECK(offered(scratch, "rtdetr train sync_bn=").contains("true"));
  CHECK(offered(scratch, "rtdetr val model=bes") == std::set<std::string>{"best.safetensors"});
  CHECK(offered(scratch, "rtdetr val model=rtdetr_r50vd_").contains("rtdetr_r50vd_m"));
  CHECK(offered(scratch, "rtdetr train cfg=small-") == std::set<std::string>{"small-data"});
  CHECK(offered(scratch, "rtdetr train data=bccd_") == std::set<std::string>{"bccd_overfit8"});
  for (const char* name : {"mine.yaml", "mine.json", "mine.onnx"}) scratch.write(name, "");
  fs::create_directories(scratch.path / "mine");
  CHECK(offered(scratch, "rtdetr train data=mi") == std::set<std::string>{"mine", "mine.json", "mine.yaml"});
  CHECK(offered(scratch, "rtdetr train cfg=mi") == std::set<std::string>{"mine", "mine.yaml"});
  CHECK_FALSE(offered(scratch, "rtdetr train amp=").contains("int8"));
  CHECK(offered(scratch, "rtdetr val amp=").contains("int8"));
  CHECK(offered(scratch, "rtdetr help mod") == std::set<std::string>{"models"});
  fs::create_directories(scratch.path / "runs-a");
  CHECK(offered(scratch, "rtdetr compare run") == std::set<std::string>{"runs-a"});
  CHECK(offered(scratch, "rtdetr compare out") == std::set<std::string>{"output="});
  CHECK(offered(scratch, "rtdetr completion f") == std::set<std::string>{"fish"});
  CHECK(offered(scratch, "rtdetr detect tr") == std::set<std::string>{"train"});
  CHECK(offered(scratch, "rtdetr task=detect mode=tr") == std::set<std::string>{"train"});
  CHECK(offered(scratch, "rtdetr ta").empty());
  CHECK(offered(scratch, "rtdetr detect train warmup_s") == std::set<std::string>{"warmup_steps="});
  CHECK(offered(scratch, "rtdetr data=bccd mode=train warmup_s") == std::set<std::string>{"warmup_steps="});
  std::set<std::string> keys;
  for (const Key* key : keys_of(Command::kExport)) keys.insert(key->name + "=");
  CHECK(offered(scratch, "rtdetr export ") == keys);
}

TEST_CASE("names of what comes along are asked of the program, and in no script") {
  const Scratch scratch;
  const std::vector<std::string> models = split(run(scratch, "completion models").out, '\n');
  CHECK(std::ranges::count(models, "rtdetr_r50vd_m") == 1);
  CHECK(std::ranges::count(split(run(scratch, "completion recipes").out, '\n'), "small-data") == 1);
  CHECK(std::ranges::count(split(run(scratch, "completion datasets").out, '\n'), "bccd_overfit8") == 1);
  for (const char* shell : {"bash", "zsh", "fish"}) {
    INFO(shell);
    const std::string script = run(scratch, std::string("completion ") + shell).out;
    CHECK_THAT(script, Contains("completion models") || Contains("__rtdetr_names models"));
    CHECK_THAT(script, !Contains("rtdetr_r50vd_m"));
  }
}

TEST_CASE("fish has each key as a word and as an option") {
  const Scratch scratch;
  const std::string script = run(scratch, "completion fish").out;
  CHECK_THAT(script, Contains("-a 'schedule= schedule=") && Contains("-l schedule -x -a '"));
  CHECK_THAT(script, Contains("-l output -r -F"));
}

TEST_CASE("every shell's script has every command and key") {
  const Scratch scratch;
  for (const char* shell : {"bash", "zsh", "fish"}) {
    INFO(shell);
    const Result script = run(scratch, std::string("completion ") + shell);
    REQUIRE(script.code == 0);
    for (const CommandInfo& info : all_commands()) {
      CHECK_THAT(script.out, Contains(info.name));
      for (const Key* key : keys_of(info.command)) CHECK_THAT(script.out, Contains(key->name));
    }
  }
  CHECK(run(scratch, "completion tcsh").code == 2);
  CHECK_THAT(run(scratch, "completion tcsh").err, Contains("bash, zsh and fish"));
  CHECK(run(scratch, "completion").code == 2);
  CHECK_THAT(run(scratch, "help completion").out, Contains("source <(rtdetr completion bash)"));
}

TEST_CASE("the page for man has every command and key, and no line that troff takes for a request of its own") {
  const Scratch scratch;
  const Result page = run(scratch, "help man");
  REQUIRE(page.code == 0);
  CHECK_THAT(page.out, StartsWith(".TH RTDETR 1 "));
  for (const Key& key : all_keys()) CHECK_THAT(page.out, Contains("\\fB" + key.name + "\\fR="));
  const std::set<std::string> requests = {".TH", ".SH", ".SS", ".TP", ".nf", ".fi", ".EX", ".EE"};
  for (const std::string& line : split(page.out, '\n')) {
    if (line.starts_with('.')) CHECK(requests.contains(line.substr(0, 3)));
    CHECK_FALSE(line.starts_with('\''));
    CHECK_THAT(line, !Contains("…"));  // of which man warns where the locale is C
  }
}

}  // namespace rtdetr::test
