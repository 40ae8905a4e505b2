#include "train/process/cpu_quota.h"

#include <catch2/catch.hpp>

#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;

namespace {

double quota(const test::TemporaryFolder& folder, const std::string& groups) {
  test::write_file(folder / "groups", groups);
  return cpu_quota(folder / "groups", folder / "mount");
}

}  // namespace

TEST_CASE("a container's quota of processors is known from either version of control groups") {
  const test::TemporaryFolder folder;
  CHECK(quota(folder, "0::/\n") > 1e6);
  test::write_file(folder / "mount/cpu.max", "max 100000\n");
  CHECK(quota(folder, "0::/\n") > 1e6);
  test::write_file(folder / "mount/cpu.max", "150000 100000\n");
  CHECK(quota(folder, "0::/\n") == 1.5);

  const test::TemporaryFolder old;
  const std::string groups = "11:cpuset:/\n4:cpu,cpuacct:/docker/1f\n";
  test::write_file(old / "mount/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  test::write_file(old / "mount/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  CHECK(quota(old, groups) > 1e6);
  test::write_file(old / "mount/cpu,cpuacct/cpu.cfs_quota_us", "300000\n");
  CHECK(quota(old, groups) == 3);
  CHECK(quota(old, "11:cpuset:/\n") > 1e6);
}

TEST_CASE("the least quota of a group and those around it counts") {
  const test::TemporaryFolder folder;
  test::write_file(folder / "mount/user.slice/cpu.max", "400000 100000\n");
  test::write_file(folder / "mount/user.slice/job/cpu.max", "200000 100000\n");
  CHECK(quota(folder, "0::/user.slice/job\n") == 2);
  CHECK(quota(folder, "0::/user.slice\n") == 4);
  test::write_file(folder / "mount/user.slice/job/cpu.max", "max 100000\n");
  CHECK(quota(folder, "0::/user.slice/job\n") == 4);
  CHECK(quota(folder, "") > 1e6);
}
