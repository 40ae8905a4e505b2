#include "core/distributed/own_gpus.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "core/base/host_name.h"
#include "tests/support/rank_threads.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr {

using Catch::Contains;

namespace {

std::vector<test::Failure> compare(const std::vector<std::string>& uuids) {
  const test::TemporaryFolder temp;
  const auto size = static_cast<std::int64_t>(uuids.size());
  return test::run_ranks({.size = size}, size, [&](const Rendezvous& me) {
    const auto group = join_through_file(temp.path() / "meeting", me);
    require_own_gpus(*group, uuids[static_cast<std::size_t>(me.rank)]);
  });
}

}  // namespace

TEST_CASE("ranks with a GPU each, or without one, go on") {
  for (const auto& failures : {compare({"GPU-a", "GPU-b", "GPU-c"}), compare({"", "", ""})}) {
    for (const test::Failure& failure : failures) CHECK(failure.text.empty());
  }
}

TEST_CASE("all ranks name the GPU on which several of them compute, its host, and those ranks") {
  for (const test::Failure& failure : compare({"GPU-a", "GPU-b", "GPU-a", "GPU-a"})) {
    CHECK(failure.code == ExitCode::kUsage);
    CHECK_THAT(failure.text,
               Contains("ranks 0, 2 and 3 compute on one and the same GPU, GPU-a of host " + host_name() + ";") &&
                   Contains("CUDA_VISIBLE_DEVICES") && !Contains("GPU-b"));
  }
}

TEST_CASE("a process alone asks nobody") { CHECK_NOTHROW(require_own_gpus(world_of_one(), "GPU-a")); }

}  // namespace rtdetr
