#include "train/process/cpu_quota.h"

#include <algorithm>
#include <fstream>
#include <string>

#include "core/base/text.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

constexpr double kNoQuota = 1e9;

/// What the files of one group allow: version 2 has both numbers in one file, "max" for none, version 1 in two, -1 for
/// none.
double quota_of_group(const fs::path& folder) {
  double quota = 0, period = 0;
  if (std::ifstream both(folder / "cpu.max"); both >> quota >> period && period > 0) return quota / period;
  std::ifstream first(folder / "cpu.cfs_quota_us"), second(folder / "cpu.cfs_period_us");
  return first >> quota && second >> period && quota > 0 && period > 0 ? quota / period : kNoQuota;
}

/// The least of a group's and of those it is in. A container often sees its own group as the outermost, whatever the
/// path says.
double quota_of_path(const fs::path& mount, const fs::path& group) {
  double least = quota_of_group(mount);
  fs::path folder = mount;
  for (const fs::path& part : group.relative_path()) least = std::min(least, quota_of_group(folder /= part));
  return least;
}

}  // namespace

double cpu_quota(const fs::path& membership, const fs::path& mount) {
  double least = kNoQuota;
  std::ifstream lines(membership);
  for (std::string line; std::getline(lines, line);) {  // "4:cpu,cpuacct:/group", in version 2 "0::/group"
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), group = line.substr(second + 1);
    const std::vector<std::string> names = split(controllers, ',');
    if (controllers.empty()) {
      least = std::min({least, quota_of_path(mount, group), quota_of_path(mount / "unified", group)});
    } else if (std::find(names.begin(), names.end(), "cpu") != names.end()) {
      least = std::min({least, quota_of_path(mount / "cpu", group), quota_of_path(mount / controllers, group)});
    }
  }
  return least;
}

}  // namespace rtdetr
