#include "core/base/check.h"
#include "core/distributed/gpu_links.h"

#include <stdlib.h>

#include <string>
#include <vector>

#include <torch/types.h>
#include <catch2/catch.hpp>

#include "core/ops/cuda_plugin.h"
#include "tests/support/named_plugin.h"
#include "tests/support/rank_threads.h"
#include "tests/support/temporary_folder.h"

/// Ranks on the card that the host pretends to be: Gloo stands in for NCCL.
namespace rtdetr {

using Catch::Contains;

namespace {

const torch::Device kCard(torch::kCUDA, 0);

void load_pretended_card() {
  const test::NamedPlugin plugin(RTDETR_PRETEND_CARD);
  load_cuda_plugin();
}

/// "" = they work
class Links {
 public:
  explicit Links(const char* how) { ::setenv("RTDETR_PRETEND_LINKS", how, 1); }
  ~Links() { ::unsetenv("RTDETR_PRETEND_LINKS"); }
  Links(const Links&) = delete;
  Links& operator=(const Links&) = delete;
};

std::vector<test::Failure> connect_two(double timeout) {
  const test::TemporaryFolder temp;
  return test::run_ranks({.size = 2, .timeout = timeout}, 2, [&](const Rendezvous& me) {
    const auto group = join_through_file(temp.path() / "meeting", me);
    group->connect(kCard);
  });
}

}  // namespace

TEST_CASE("ranks that have connected sum tensors between their cards") {
  load_pretended_card();
  test::run_world(2, [](ProcessGroup& group) {
    group.connect(torch::kCPU);
    group.connect(kCard);
    const auto rank = static_cast<float>(group.rank());
    const torch::Tensor sum = torch::full({3}, 1 + rank).to(kCard);
    group.all_reduce(sum, Reduction::kSum);
    RTDETR_CHECK(torch::equal(sum.cpu(), torch::full({3}, 3.0F)), "sum");
  });
}

TEST_CASE("a way between GPUs that does not work is found when they connect, with NCCL's reason") {
  load_pretended_card();
  const Links broken("broken");
  int with_reason = 0;  // a rank that is still meeting on the host may see the other one leave first
  for (const test::Failure& failure : connect_two(60)) {
    CHECK(failure.code == ExitCode::kPeer);
    CHECK_THAT(failure.text, Contains("connecting to the other ranks failed: "));
    const bool of_nccl = failure.text.find("failed: NCCL error in") != std::string::npos;
    if (of_nccl) CHECK_THAT(failure.text, Contains("socketPollConnect: returned No route to host;"));
    with_reason += of_nccl ? 1 : 0;
  }
  CHECK(with_reason > 0);
}

TEST_CASE("a way between GPUs that stays silent is given up in the time for meeting") {
  load_pretended_card();
  const Links silent("silent");
  for (const test::Failure& failure : connect_two(5)) {
    CHECK(failure.code == ExitCode::kPeer);
    CHECK_THAT(failure.text, Contains("the GPUs of all ranks were not connected within 5 s"));
  }
}

}  // namespace rtdetr
