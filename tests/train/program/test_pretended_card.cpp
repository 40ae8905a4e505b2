#include <map>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/io/file.h"
#include "core/tensor/tensor_file.h"
#include "tests/support/micro_run.h"
#include "tests/support/program.h"
#include "tests/support/run_record.h"
#include "tests/support/temporary_folder.h"

/// The program on a card that the host pretends to be (tests/support/pretend_card.cpp).
namespace rtdetr::test {

using Catch::Contains;

namespace {

using Changes = std::map<std::string, std::string>;

ProgramResult run_on_card(const std::vector<std::string>& words, std::vector<std::string> environment = {}) {
  environment.emplace_back("RTDETR_CUDA_PLUGIN=" RTDETR_PRETEND_CARD);
  return run_program(words, environment);
}

ProgramResult train_on_card(const Settings& settings, const std::string& name, Changes changes = {},
                            const std::vector<std::string>& environment = {}) {
  changes.emplace("device", "cuda");
  return run_on_card(micro_command(settings, name, changes), environment);
}

std::string in_run(const Settings& settings, const std::string& name, const char* file) {
  return settings.project + "/" + name + "/" + file;
}

}  // namespace

TEST_CASE("a run on a card trains, validates and saves as one on the CPU does, and each continues the other's") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const ProgramResult card = train_on_card(settings, "card", {{"epochs", "2"}, {"save_steps", "2"}});
  INFO(card.err);
  REQUIRE(card.code == 0);
  REQUIRE(run_program(micro_command(settings, "cpu", {{"epochs", "2"}})).code == 0);
  const auto of_card = load_tensors(in_run(settings, "card", "last.safetensors")).tensors,
             of_cpu = load_tensors(in_run(settings, "cpu", "last.safetensors")).tensors;
  REQUIRE(of_card.size() == of_cpu.size());
  for (const auto& [name, tensor] : of_cpu) {
    INFO(name);
    REQUIRE(of_card.contains(name));
    CHECK(of_card.at(name).sizes() == tensor.sizes());
    CHECK(of_card.at(name).scalar_type() == tensor.scalar_type());
  }
  const ProgramResult on_cpu = run_program(micro_command(settings, "card", {{"epochs", "3"}}));
  INFO(on_cpu.err);
  CHECK(on_cpu.code == 0);
  const ProgramResult on_card = train_on_card(settings, "cpu", {{"epochs", "3"}});
  INFO(on_card.err);
  CHECK(on_card.code == 0);
}

TEST_CASE("a run on a card that was stopped goes on to the same bits") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const Changes keys{{"deterministic", "true"}, {"epochs", "2"}};
  REQUIRE(train_on_card(settings, "whole", keys).code == 0);
  Changes first = keys;
  first["save_steps"] = "3";
  const ProgramResult lost = train_on_card(settings, "parts", first, {"RTDETR_PRETEND_LOSS=20000"});
  INFO(lost.err);
  CHECK(lost.code == 5);
  REQUIRE(train_on_card(settings, "parts", keys).code == 0);
  const auto whole = load_tensors(in_run(settings, "whole", "last.safetensors")).tensors,
             parts = load_tensors(in_run(settings, "parts", "last.safetensors")).tensors;
  for (const auto& [name, tensor] : whole) {
    INFO(name);
    CHECK(torch::equal(parts.at(name), tensor));
  }
}

TEST_CASE("every command that computes does so on a card, and finds what it finds on the CPU") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  REQUIRE(run_program(micro_command(settings, "run", {{"epochs", "1"}})).code == 0);
  const std::string model = "model=" + in_run(settings, "run", "best.safetensors");
  const std::string picture = (temp.path() / "images" / "p100.png").string();
  const std::vector<std::vector<std::string>> commands{
      {"val", model, "data=" + settings.data, "plots=false", "json=true", "quiet=true"},
      {"predict", model, "source=" + picture, "save=false", "conf=0", "json=true", "quiet=true"},
      {"benchmark", model, "runs=2", "batch=2", "json=true", "quiet=true"},
      {"export", model, "format=safetensors", "output=" + (temp.path() / "out.safetensors").string(), "json=true",
       "quiet=true"}};
  for (std::vector<std::string> words : commands) {
    INFO(words.front());
    const ProgramResult cpu = run_program(words);
    REQUIRE(cpu.code == 0);
    words.emplace_back("device=0");
    const ProgramResult card = run_on_card(words);
    INFO(card.err);
    REQUIRE(card.code == 0);
    const auto a = nlohmann::json::parse(cpu.out), b = nlohmann::json::parse(card.out);
    if (words.front() == "val")
      CHECK(b.at("stats").at(0).get<double>() == Approx(a.at("stats").at(0).get<double>()).margin(1e-3));
    if (words.front() == "predict") CHECK(a.at("detections") == b.at("detections"));
    if (words.front() == "benchmark") {
      CHECK(b.at("device") == "cuda:0");
      CHECK_FALSE(a.contains("device_peak_mib"));
      CHECK(b.at("device_peak_mib").get<double>() > 0.3);  // of the weights alone
    }
    if (words.front() == "export") CHECK(b.at("max_abs_diff").get<double>() < 1e-3);
  }
}

TEST_CASE("device=auto takes the card that answers, and says so") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const ProgramResult card = train_on_card(settings, "run", {{"device", "auto"}, {"epochs", "1"}, {"quiet", "false"}});
  CHECK(card.code == 0);
  CHECK_THAT(card.err, Contains("device=auto: computing on GPU 0"));
  const ProgramResult none = train_on_card(settings, "other", {{"device", "cuda:1"}});
  CHECK(none.code == 2);
  CHECK_THAT(none.err, Contains("device=cuda:1 (command line) is not available: of 1 GPU"));
}

TEST_CASE("a card without memory for a batch ends a run with what was tried, and what did fit") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const ProgramResult full =
      train_on_card(settings, "run", {{"imgsz", "640"}, {"batch", "8"}}, {"RTDETR_PRETEND_MIB=64"});
  INFO(full.err);
  CHECK(full.code == 8);
  CHECK_THAT(full.err, Contains("8 pictures of ") && Contains("4 at once") && Contains("accumulate="));
}

TEST_CASE("a card without memory behind a validation's forward pass says so as for the pass") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  REQUIRE(run_program(micro_command(settings, "run", {{"epochs", "1"}})).code == 0);
  const std::vector<std::string> words{"val",
                                       "model=" + in_run(settings, "run", "best.safetensors"),
                                       "data=" + settings.data,
                                       "plots=false",
                                       "batch=3",
                                       "device=0"};
  const ProgramResult result = run_on_card(words, {"RTDETR_PRETEND_FULL=aten::remainder"});  // which class a pair is of
  INFO(result.err);
  CHECK(result.code == 8);
  CHECK_THAT(result.err, Contains("the GPU has not enough memory for 3 pictures of 64x64 at once"));
}

TEST_CASE("a card that is lost ends a run with its last checkpoint whole, and nothing hangs") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const ProgramResult lost = train_on_card(settings, "run", {{"save_steps", "2"}}, {"RTDETR_PRETEND_LOSS=20000"});
  INFO(lost.err);
  CHECK(lost.code == 5);
  CHECK_THAT(lost.err, Contains("the GPU stopped working: CUDA error: uncorrectable ECC error") &&
                           Contains("last durable step") && Contains("resume=auto"));
  CHECK_FALSE(load_tensors(in_run(settings, "run", "last.safetensors")).tensors.empty());
}

}  // namespace rtdetr::test
