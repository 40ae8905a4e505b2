#include "core/distributed/rendezvous.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/text.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kMostRanks = 1 << 16, kMostPorts = 65535;

/// The environment; what is set to nothing counts as not set.
class Variables {
 public:
  explicit Variables(const EnvironmentLookup& lookup) : lookup_(lookup) {}

  std::string text(const char* name) const {
    const char* value = lookup_(name);
    return value ? value : "";
  }
  bool has(const char* name) const { return !text(name).empty(); }
  /// The first of the two that is set, or the second.
  const char* either(const char* first, const char* second) const { return has(first) ? first : second; }

  std::int64_t number(const char* name, std::int64_t low, std::int64_t high) const {
    const std::string value = text(name);
    if (value.empty()) throw ConfigError("the environment variable " + std::string(name) + " is missing");
    const auto number = parse_integer(value);
    if (!number || *number < low || *number > high)
      throw ConfigError("the environment variable " + std::string(name) + "=" + value + ": want a whole number of " +
                        std::to_string(low) + " to " + std::to_string(high));
    return *number;
  }

 private:
  const EnvironmentLookup& lookup_;
};

constexpr std::array<const char*, 5> kTorchrun{"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"};

std::vector<std::string> torchrun_names(const Variables& variables, bool that_are_set) {
  std::vector<std::string> names;
  for (const char* name : kTorchrun)
    if (variables.has(name) == that_are_set) names.emplace_back(name);
  return names;
}

void require_all_or_none(const Variables& variables) {
  const std::vector<std::string> there = torchrun_names(variables, true), missing = torchrun_names(variables, false);
  if (there.empty() || missing.empty()) return;
  throw ConfigError(
      "the environment has " + join(there, ", ") + " but not " + join(missing, ", ") +
      ": with all of them this process is a rank of a job, as torchrun sets them; without any it is alone");
}

Rendezvous torchrun_world(const Variables& variables) {
  require_all_or_none(variables);
  Rendezvous world;
  world.size = variables.number("WORLD_SIZE", 1, kMostRanks);
  world.rank = variables.number("RANK", 0, world.size - 1);
  world.local_rank = variables.number("LOCAL_RANK", 0, world.size - 1);
  world.host = variables.text("MASTER_ADDR");
  world.port = static_cast<std::uint16_t>(variables.number("MASTER_PORT", 1, kMostPorts));
  if (variables.has(kListenFdVariable))
    world.listen_fd = static_cast<int>(variables.number(kListenFdVariable, 3, std::numeric_limits<int>::max()));
  if (variables.has("TORCHELASTIC_RESTART_COUNT")) world.attempt = variables.text("TORCHELASTIC_RESTART_COUNT");
  world.place_is_open = lower_case(variables.text("TORCHELASTIC_USE_AGENT_STORE")) == "true";
  return world;
}

/// The first of Slurm's short form of a list: of "gpu[003-005,9]-ib,login" gpu003-ib.
std::string first_host(std::string_view list) {
  std::string host;
  while (!list.empty() && list.front() != ',') {
    if (list.front() != '[') {
      host += list.front();
      list.remove_prefix(1);
      continue;
    }
    const std::size_t end = std::min(list.find(']'), list.size() - 1);
    const std::string_view inside = list.substr(1, end - 1);
    host += inside.substr(0, inside.find_first_of(",-"));
    list.remove_prefix(end + 1);
  }
  return host;
}

/// Rank 0 is on the first host of the step.
std::string slurm_host(const Variables& variables) {
  if (variables.has("MASTER_ADDR")) return variables.text("MASTER_ADDR");
  if (variables.text(variables.either("SLURM_STEP_NUM_NODES", "SLURM_NNODES")) == "1") return "127.0.0.1";
  for (const char* name : {"SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST"})
    if (const std::string host = first_host(variables.text(name)); !host.empty()) return host;
  if (variables.has("SLURM_LAUNCH_NODE_IPADDR")) return variables.text("SLURM_LAUNCH_NODE_IPADDR");
  throw ConfigError(
      "the environment of a Slurm step names no host: SLURM_STEP_NODELIST, SLURM_JOB_NODELIST, "
      "SLURM_NODELIST and SLURM_LAUNCH_NODE_IPADDR are missing; set MASTER_ADDR");
}

/// All ranks come to the same one, and so do, mostly, no two steps on one host; below those that systems hand out.
std::uint16_t slurm_port(const Variables& variables) {
  if (variables.has("MASTER_PORT")) return static_cast<std::uint16_t>(variables.number("MASTER_PORT", 1, kMostPorts));
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const std::int64_t job = variables.number("SLURM_JOB_ID", 0, kMost),
                     step = variables.number("SLURM_STEP_ID", 0, kMost);
  return static_cast<std::uint16_t>(10000 + job % 2000 * 10 + step % 10);
}

std::optional<Rendezvous> slurm_world(const Variables& variables) {
  if (!variables.has("SLURM_STEP_ID")) return std::nullopt;
  const char* tasks = variables.either("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS");
  Rendezvous world;
  world.size = variables.has(tasks) ? variables.number(tasks, 1, kMostRanks) : 1;
  if (world.size == 1) return std::nullopt;
  world.rank = variables.number("SLURM_PROCID", 0, world.size - 1);
  world.local_rank = variables.number("SLURM_LOCALID", 0, world.size - 1);
  world.host = slurm_host(variables);
  world.port = slurm_port(variables);
  return world;
}

}  // namespace

std::optional<Rendezvous> rendezvous_from(const EnvironmentLookup& environment) {
  const Variables variables(environment);
  if (variables.has("RANK") || variables.has("WORLD_SIZE") || variables.has("LOCAL_RANK"))
    return torchrun_world(variables);
  if (auto world = slurm_world(variables)) return world;
  require_all_or_none(variables);
  return std::nullopt;
}

}  // namespace rtdetr
