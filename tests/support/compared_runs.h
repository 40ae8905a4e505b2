#pragma once

#include <filesystem>
#include <initializer_list>
#include <string>
#include <vector>

#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/base/text.h"
#include "core/io/file.h"
#include "core/tensor/tensor_file.h"
#include "tests/support/train_here.h"
#include "train/config/settings.h"

/// Whether two runs left the same behind.
namespace rtdetr::test {

inline TensorMap saved_state(const Settings& settings, const std::string& name) {
  return load_tensors(std::filesystem::path(settings.project) / name / "last.safetensors").tensors;
}

/// Names of entries whose bytes differ.
inline std::vector<std::string> differences(const TensorMap& a, const TensorMap& b) {
  std::vector<std::string> names;
  if (a.size() != b.size()) names.push_back("number of entries");
  for (const auto& [name, tensor] : a) {
    if (!b.contains(name) || !torch::equal(tensor, b.at(name))) names.push_back(name);
  }
  return names;
}

/// Lines of log.jsonl about steps.
inline std::vector<std::string> step_lines(const Settings& settings, const std::string& name) {
  std::vector<std::string> lines;
  for (const std::string& line :
       split(read_text_file(std::filesystem::path(settings.project) / name / "log.jsonl"), '\n')) {
    if (line.find(R"("event":"step")") != std::string::npos) lines.push_back(line);
  }
  return lines;
}

/// results.csv without the column that holds seconds.
inline std::string table_without_time(const Settings& settings, const std::string& name) {
  std::string text;
  for (const std::string& line :
       split(read_text_file(std::filesystem::path(settings.project) / name / "results.csv"), '\n')) {
    const auto first = line.find(',');
    if (first != std::string::npos) text += line.substr(0, first) + line.substr(line.find(',', first + 1)) + "\n";
  }
  return text;
}

/// Runs that are stopped at one of `asks` and continued end in the state, steps and table of the run "whole".
inline void check_stops(const Settings& settings, std::initializer_list<int> asks) {
  const TensorMap expected = saved_state(settings, "whole");
  for (const int ask : asks) {
    CAPTURE(ask);
    const std::string name = "stopped-" + std::to_string(ask);
    REQUIRE(train_here(settings, name, ask).end == RunOutcome::End::kStopped);
    REQUIRE(train_here(settings, name).end == RunOutcome::End::kFinished);
    CHECK(differences(saved_state(settings, name), expected).empty());
    CHECK(step_lines(settings, name) == step_lines(settings, "whole"));
    CHECK(table_without_time(settings, name) == table_without_time(settings, "whole"));
  }
}

}  // namespace rtdetr::test
