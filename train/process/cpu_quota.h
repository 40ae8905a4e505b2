#pragma once

#include <filesystem>

namespace rtdetr {

/// Processors that the control groups of this process, of either version and of any level, let it use at once; a large
/// number without a quota.
/// @param membership  groups this process is in
/// @param mount       where the groups' files are
double cpu_quota(const std::filesystem::path& membership = "/proc/self/cgroup",
                 const std::filesystem::path& mount = "/sys/fs/cgroup");

}  // namespace rtdetr
