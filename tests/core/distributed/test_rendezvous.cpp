#include "core/distributed/rendezvous.h"

#include <catch2/catch.hpp>
#include <map>
#include <vector>

#include "core/base/error.h"

namespace rtdetr {
namespace {

using Environment = std::map<std::string, std::string>;

std::optional<Rendezvous> read(const Environment& environment) {
  return rendezvous_from([&](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

/// `changes` over `base`; a value "-" takes the variable away.
Environment with(Environment base, const Environment& changes) {
  for (const auto& [name, value] : changes) {
    if (value == "-")
      base.erase(name);
    else
      base[name] = value;
  }
  return base;
}

const Environment kTorchrun{
    {"RANK", "3"}, {"WORLD_SIZE", "8"}, {"LOCAL_RANK", "1"}, {"MASTER_ADDR", "gpu07"}, {"MASTER_PORT", "29500"}};
const Environment kSlurm{{"SLURM_JOB_ID", "123456"},
                         {"SLURM_STEP_ID", "2"},
                         {"SLURM_STEP_NUM_TASKS", "4"},
                         {"SLURM_STEP_NUM_NODES", "2"},
                         {"SLURM_PROCID", "3"},
                         {"SLURM_LOCALID", "1"},
                         {"SLURM_STEP_NODELIST", "node[003-005,9]"},
                         {"SLURM_LAUNCH_NODE_IPADDR", "10.0.0.7"}};

TEST_CASE("torchrun's variables make a world") {
  const Rendezvous world = read(kTorchrun).value();
  CHECK(world.rank == 3);
  CHECK(world.size == 8);
  CHECK(world.local_rank == 1);
  CHECK(world.host == "gpu07");
  CHECK(world.port == 29500);
  CHECK(world.listen_fd == -1);
  CHECK_FALSE(world.place_is_open);
  CHECK(read(with(kTorchrun, {{"RTDETR_LISTEN_FD", "7"}}))->listen_fd == 7);
  CHECK(read(with(kTorchrun, {{"TORCHELASTIC_USE_AGENT_STORE", "True"}}))->place_is_open);
  CHECK_FALSE(read(with(kTorchrun, {{"TORCHELASTIC_USE_AGENT_STORE", "False"}}))->place_is_open);
  CHECK(world.attempt == "0");
  CHECK(read(with(kTorchrun, {{"TORCHELASTIC_RESTART_COUNT", "2"}}))->attempt == "2");
  CHECK(read(with(kTorchrun, {{"RANK", "0"}, {"WORLD_SIZE", "1"}, {"LOCAL_RANK", "0"}}))->size == 1);
}

TEST_CASE("a Slurm step of several tasks makes a world") {
  const Rendezvous world = read(kSlurm).value();
  CHECK(world.rank == 3);
  CHECK(world.size == 4);
  CHECK(world.local_rank == 1);
  CHECK(world.host == "node003");
  CHECK(world.port == 10000 + 1456 * 10 + 2);
}

TEST_CASE("ranks of a Slurm step meet on its first host, or where MASTER_ADDR and MASTER_PORT say") {
  struct Row {
    Environment changes;
    std::string host;
  };
  const std::vector<Row> rows{
      {{{"SLURM_STEP_NODELIST", "a1,a2"}}, "a1"},
      {{{"SLURM_STEP_NODELIST", "gpu-[7,12-13]"}}, "gpu-7"},
      {{{"SLURM_STEP_NODELIST", "rack[2-3]u[01-40].site,login"}}, "rack2u01.site"},
      {{{"SLURM_STEP_NODELIST", "broken["}}, "broken"},
      {{{"SLURM_STEP_NODELIST", "-"}, {"SLURM_JOB_NODELIST", "b[4-5]"}, {"SLURM_NODELIST", "c1"}}, "b4"},
      {{{"SLURM_STEP_NODELIST", ""}, {"SLURM_NODELIST", "c[1-2]"}}, "c1"},
      {{{"SLURM_STEP_NODELIST", "-"}}, "10.0.0.7"},
      {{{"SLURM_STEP_NUM_NODES", "1"}}, "127.0.0.1"},
      {{{"SLURM_STEP_NUM_NODES", "-"}, {"SLURM_NNODES", "1"}}, "127.0.0.1"},
      {{{"MASTER_ADDR", "ib-node3"}}, "ib-node3"},
  };
  for (const auto& [changes, host] : rows) CHECK(read(with(kSlurm, changes))->host == host);
  CHECK(read(with(kSlurm, {{"MASTER_PORT", "4711"}}))->port == 4711);
  CHECK(read(with(kSlurm, {{"SLURM_JOB_ID", "1999"}, {"SLURM_STEP_ID", "19"}}))->port == 29999);
  CHECK(read(with(kSlurm, {{"SLURM_STEP_NUM_TASKS", "-"}, {"SLURM_NTASKS", "6"}}))->size == 6);
}

TEST_CASE("a process that nobody counts among others is alone") {
  CHECK_FALSE(read({}));
  CHECK_FALSE(read({{"RANK", ""}, {"PATH", "/bin"}}));
  CHECK_FALSE(read(with(kSlurm, {{"SLURM_STEP_NUM_TASKS", "1"}})));
  CHECK_FALSE(read(with(kSlurm, {{"SLURM_STEP_NUM_TASKS", "-"}})));
  // The shell of a batch script.
  CHECK_FALSE(read(with(kSlurm, {{"SLURM_STEP_ID", "-"}, {"SLURM_NTASKS", "4"}})));
}

TEST_CASE("torchrun's variables win over those of the Slurm step that torchrun runs in") {
  CHECK(read(with(kSlurm, kTorchrun))->size == 8);
}

TEST_CASE("numbers out of range and missing variables are named") {
  struct Row {
    Environment environment;
    std::vector<std::string> words;
  };
  const std::vector<Row> rows{
      {with(kTorchrun, {{"RANK", "8"}}), {"RANK=8", "0 to 7"}},
      {with(kTorchrun, {{"RANK", "-1"}}), {"RANK=-1", "0 to 7"}},
      {with(kTorchrun, {{"WORLD_SIZE", "0"}}), {"WORLD_SIZE=0", "1 to 65536"}},
      {with(kTorchrun, {{"WORLD_SIZE", "two"}}), {"WORLD_SIZE=two"}},
      {with(kTorchrun, {{"LOCAL_RANK", "8"}}), {"LOCAL_RANK=8"}},
      {with(kTorchrun, {{"MASTER_PORT", "65536"}}), {"MASTER_PORT=65536", "1 to 65535"}},
      {with(kTorchrun, {{"MASTER_PORT", "0"}}), {"MASTER_PORT=0"}},
      {with(kTorchrun, {{"RTDETR_LISTEN_FD", "2"}}), {"RTDETR_LISTEN_FD=2"}},
      {with(kTorchrun, {{"RANK", "-"}, {"MASTER_ADDR", ""}}), {"not RANK, MASTER_ADDR", "torchrun"}},
      {{{"RANK", "0"}}, {"has RANK but not WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT"}},
      {{{"MASTER_PORT", "29500"}}, {"has MASTER_PORT but not RANK"}},
      {with(kSlurm, {{"RANK", "0"}}), {"has RANK but not WORLD_SIZE"}},
      {with(kSlurm, {{"SLURM_PROCID", "4"}}), {"SLURM_PROCID=4", "0 to 3"}},
      {with(kSlurm, {{"SLURM_STEP_NUM_TASKS", "many"}}), {"SLURM_STEP_NUM_TASKS=many"}},
      {with(kSlurm, {{"SLURM_LOCALID", "-"}}), {"SLURM_LOCALID is missing"}},
      {with(kSlurm, {{"SLURM_JOB_ID", "-"}}), {"SLURM_JOB_ID is missing"}},
      {with(kSlurm, {{"SLURM_STEP_NODELIST", "-"}, {"SLURM_LAUNCH_NODE_IPADDR", "-"}}),
       {"names no host", "MASTER_ADDR"}},
      {with(kSlurm, {{"MASTER_PORT", "x"}}), {"MASTER_PORT=x"}},
  };
  for (const Row& row : rows) {
    INFO(row.words.front());
    try {
      read(row.environment);
      FAIL("nothing was thrown");
    } catch (const ConfigError& error) {
      for (const std::string& word : row.words) CHECK_THAT(error.what(), Catch::Contains(word));
    }
  }
}

}  // namespace
}  // namespace rtdetr
