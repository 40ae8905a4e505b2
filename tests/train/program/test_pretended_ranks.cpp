#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "core/base/host_name.h"
#include "core/tensor/tensor_file.h"
#include "tests/support/free_port.h"
#include "tests/support/micro_run.h"
#include "tests/support/program.h"
#include "tests/support/temporary_folder.h"

/// Processes as torchrun starts them, each on a card that the host pretends to be.
namespace rtdetr::test {

using Catch::Contains;

namespace {

std::vector<std::string> environment_of_rank(int rank, int port, const std::string& uuid) {
  return {"RTDETR_CUDA_PLUGIN=" RTDETR_PRETEND_CARD,
          "RTDETR_PRETEND_UUID=" + uuid,
          "RANK=" + std::to_string(rank),
          "LOCAL_RANK=" + std::to_string(rank),
          "WORLD_SIZE=2",
          "MASTER_ADDR=127.0.0.1",
          "MASTER_PORT=" + std::to_string(port)};
}

/// By rank.
std::vector<ProgramResult> train_two(const Settings& settings, const std::vector<std::string>& uuids) {
  const int port = FreePort().release();
  std::vector<std::unique_ptr<Program>> ranks;
  for (int rank = 0; rank < 2; ++rank)
    ranks.push_back(std::make_unique<Program>(micro_command(settings, "run", {{"epochs", "1"}, {"device", "cuda"}}),
                                              environment_of_rank(rank, port, uuids.at(rank))));
  std::vector<ProgramResult> results;
  for (const auto& rank : ranks) {
    const int code = rank->wait();
    results.push_back({code, rank->out(), rank->err()});
  }
  return results;
}

}  // namespace

TEST_CASE("two ranks train on a card each") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  for (const ProgramResult& rank : train_two(settings, {"GPU-a", "GPU-b"})) {
    INFO(rank.err);
    CHECK(rank.code == 0);
  }
  CHECK_FALSE(load_tensors(settings.project + "/run/last.safetensors").tensors.empty());
}

TEST_CASE("ranks that see one and the same card are refused before any of them works") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  for (const ProgramResult& rank : train_two(settings, {"GPU-a", "GPU-a"})) {
    CHECK(rank.code == 2);
    CHECK_THAT(rank.err, Contains("ranks 0 and 1 compute on one and the same GPU, GPU-a of host " + host_name()));
  }
  CHECK_FALSE(std::filesystem::exists(settings.project + "/run"));
}

}  // namespace rtdetr::test
