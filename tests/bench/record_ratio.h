#pragma once

#include <errno.h>  // program_invocation_short_name

#include <cstdlib>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

namespace rtdetr::bench {

/// One more line of the file that RTDETR_RATIOS in the environment names, if it does: ratio_gate.py reads it.
/// @param ours, peer  of the same run, the smaller the better
inline void record_ratio(const std::string& what, double ours, double peer) {
  const char* file = std::getenv("RTDETR_RATIOS");
  if (!file) return;
  const nlohmann::ordered_json line = {
      {"program", program_invocation_short_name}, {"case", what}, {"ours", ours}, {"peer", peer}};
  std::ofstream(file, std::ios::app) << line.dump() << '\n';
}

}  // namespace rtdetr::bench
