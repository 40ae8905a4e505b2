#pragma once

#include <span>
#include <string>
#include <vector>

#include "train/report/run_record.h"

namespace rtdetr {

/// A key that not all runs have the same value of; "" for a run that has it not. What names the folder, or says how
/// the program speaks, is left out. One file is one value, however it was named and from wherever.
struct SettingDifference {
  std::string key;
  std::vector<std::string> values;  ///< of each run; with what was fitted to its length
};
std::vector<SettingDifference> differing_settings(std::span<const RunRecord> runs);

}  // namespace rtdetr
