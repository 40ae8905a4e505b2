#pragma once

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/bench/record_ratio.h"

/// What the project's Python scripts measured of other programs: one JSON object a line, or one for the whole file.
namespace rtdetr::bench {

using Records = std::vector<nlohmann::json>;

inline Records read_peers(const std::string& file) {
  std::ifstream in(file);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const nlohmann::json whole = nlohmann::json::parse(text, nullptr, false);
  if (whole.is_object()) return whole.contains("runs") ? whole["runs"].get<Records>() : Records{whole};
  Records records;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const nlohmann::json line = nlohmann::json::parse(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                                      text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (line.is_object()) records.push_back(line);
    begin = end + 1;
  }
  return records;
}

/// One line: the peer's figure, ours, how many times better ours is, and what was aimed at (0: nothing).
inline void print_ratio(const std::string& what, double peer, double ours, double goal) {
  record_ratio(what, ours, peer);
  std::printf("%-48s %10.3f %10.3f %7.2fx", what.c_str(), peer, ours, peer / ours);
  if (goal > 0) std::printf("   goal %gx: %s", goal, peer / ours >= goal ? "reached" : "missed");
  std::printf("\n");
}

inline void print_ratio_title(const char* title) {
  std::printf("\n%-48s %10s %10s %8s\n", title, "peer", "ours", "ratio");
}

}  // namespace rtdetr::bench
