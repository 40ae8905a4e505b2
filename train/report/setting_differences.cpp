#include "train/report/setting_differences.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "train/config/keys.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

/// Told, and what the run made of it.
std::string value_in(const RunRecord& run, const std::string& key) {
  const auto row = std::ranges::find(run.settings, key, &SettingRow::key);
  const auto fitted = run.fitted.find(key);
  if (row == run.settings.end()) return "";
  return row->value + (fitted == run.fitted.end() ? "" : " (fitted: " + fitted->second + ")");
}

/// Where the run was begun, to which its relative paths are: its folder without project=, which is one of them. Where
/// project= does not say it, here.
fs::path begun_in(const RunRecord& run) {
  std::error_code ignored;
  const auto project = std::ranges::find(run.settings, "project", &SettingRow::key);
  const fs::path parent = fs::weakly_canonical(run.folder / "..", ignored);
  fs::path place = parent;
  if (project != run.settings.end() && fs::path(project->value).is_relative()) {
    const fs::path told = fs::path(project->value).lexically_normal();
    for (const fs::path& part : told) place = part == "." || part.empty() ? place : place.parent_path();
    if (fs::weakly_canonical(place / told, ignored) == parent) return place;
  }
  return fs::current_path(ignored);
}

/// The value of a path, by which files are told apart; another value as it is, and of a file that is gone, too.
std::string identity_in(const RunRecord& run, const std::string& key) {
  const std::string value = value_in(run, key);
  const Key* known = find_key(key, Command::kTrain);
  if (known == nullptr || !known->is_path || value.empty()) return value;
  std::error_code gone;
  const fs::path file = fs::canonical(begun_in(run) / value, gone);
  return gone ? fs::path(value).lexically_normal().string() : file.string();
}

bool are_equal(const std::vector<std::string>& values) {
  return std::ranges::adjacent_find(values, std::ranges::not_equal_to{}) == values.end();
}

}  // namespace

std::vector<SettingDifference> differing_settings(std::span<const RunRecord> runs) {
  static constexpr std::array kOutside = {"project", "name", "exist_ok", "json", "quiet", "verbose", "progress"};
  std::vector<SettingDifference> differences;
  std::set<std::string> seen(kOutside.begin(), kOutside.end());
  for (const RunRecord& run : runs) {
    for (const SettingRow& row : run.settings) {
      if (!seen.insert(row.key).second) continue;
      std::vector<std::string> told, meant;
      for (const RunRecord& other : runs) {
        told.push_back(value_in(other, row.key));
        meant.push_back(identity_in(other, row.key));
      }
      if (!are_equal(meant)) differences.push_back({row.key, are_equal(told) ? meant : told});
    }
  }
  return differences;
}

}  // namespace rtdetr
