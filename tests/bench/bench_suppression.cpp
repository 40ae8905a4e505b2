// Non-maximum suppression (core/ops/suppression.h), for nms_peers.py to time beside others.
//
//   rtdetr_bench_suppression SCENES.safetensors
//
// SCENES has <scene>.boxes_xyxy [A, 4] and <scene>.scores [A, C]. Each line of stdin, "SCENE THRESHOLD several|best
// MAX_KEPT", is one turn, answered by one line of JSON: microseconds of processor time that the search for candidates
// and the suppression took, and the boxes and classes that stayed.
#include <cstdio>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/io/safetensors.h"
#include "core/ops/suppression.h"
#include "tests/bench/processor_time.h"

namespace {

using namespace rtdetr;

struct Numbers {
  std::vector<float> values;
  std::int64_t columns = 0;
};

std::map<std::string, Numbers> read_scenes(const std::string& file) {
  const SafetensorsReader reader(file);
  std::map<std::string, Numbers> scenes;
  for (const TensorEntry& entry : reader.entries()) {
    Numbers& numbers = scenes[entry.name];
    numbers.values.resize(entry.bytes / sizeof(float));
    numbers.columns = entry.shape.back();
    reader.read(entry, std::as_writable_bytes(std::span(numbers.values)));
  }
  return scenes;
}

nlohmann::ordered_json turn(const Numbers& boxes, const Numbers& scores, const SuppressionOptions& options) {
  const double begin = bench::processor_seconds();
  std::vector<Candidate> candidates = find_candidates(scores.values, scores.columns, options);
  const double found = bench::processor_seconds();
  const std::size_t count = candidates.size();
  const std::vector<Candidate> kept = suppress(boxes.values, std::move(candidates), options);
  const double end = bench::processor_seconds();
  auto rows = nlohmann::ordered_json::array();
  for (const Candidate& candidate : kept) rows.push_back({candidate.box, candidate.label});
  return {
      {"find_us", 1e6 * (found - begin)}, {"suppress_us", 1e6 * (end - found)}, {"candidates", count}, {"kept", rows}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: rtdetr_bench_suppression SCENES.safetensors\n", stderr);
    return 2;
  }
  const std::map<std::string, Numbers> scenes = read_scenes(argv[1]);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string scene, which;
    SuppressionOptions options;
    words >> scene >> options.least_score >> which >> options.max_kept;
    options.every_class = which == "several";
    std::cout << turn(scenes.at(scene + ".boxes_xyxy"), scenes.at(scene + ".scores"), options).dump() << std::endl;
  }
}
