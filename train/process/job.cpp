#include "train/process/job.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "core/base/device_choice.h"
#include "core/base/log.h"
#include "core/distributed/c10d_group.h"
#include "core/distributed/own_gpus.h"
#include "core/ops/device.h"
#include "train/process/launched_rank.h"
#include "train/process/launcher.h"
#include "train/process/machine.h"
#include "train/process/standard_streams.h"

namespace rtdetr {

namespace {

/// On this machine, if nobody else starts them.
std::int64_t processes_of(const Settings& settings) {
  const auto gpus = device_choice(settings.device, settings.origin_of("device")).gpus.size();
  return std::max(settings.nproc, static_cast<std::int64_t>(gpus));
}

}  // namespace

std::optional<Rendezvous> world_of_this_process() {
  return rendezvous_from([](const char* name) { return std::getenv(name); });
}

bool starts_ranks(const Settings& settings) {
  if (settings.command != Command::kTrain || processes_of(settings) == 1 || settings.check) return false;
  if (is_launched_rank()) return false;
  const auto world = world_of_this_process();
  if (!world) return true;
  if (settings.nproc == 1) return false;  // a list of GPUs says which are theirs, by their local rank
  throw ConfigError("nproc=" + std::to_string(settings.nproc) + settings.origin_of("nproc") + ": this is rank " +
                    std::to_string(world->rank) + " of " + std::to_string(world->size) +
                    " already, started by torchrun or Slurm; leave nproc away, they say how many processes there are");
}

ExitCode launch_job(const Settings& settings, const std::vector<std::string>& arguments) {
  LaunchOptions options;
  options.ranks = processes_of(settings);
  options.arguments = arguments;
  options.hold_output = settings.json;
  if (settings.threads == 0 && std::getenv("OMP_NUM_THREADS") == nullptr) {
    const auto share = std::max<std::int64_t>(1, physical_cores() / options.ranks);
    options.variables.push_back("OMP_NUM_THREADS=" + std::to_string(share));
  }
  if (std::getenv("NCCL_SOCKET_IFNAME") == nullptr) options.variables.emplace_back("NCCL_SOCKET_IFNAME=lo");
  return launch_ranks(options);
}

std::unique_ptr<ProcessGroup> join_job(const Settings& settings) {
  const auto world = world_of_this_process();
  if (!world) return make_world_of_one();
  outlive_closed_pipes();  // nor may a rank that has gone end those that write to it
  auto group = join_world(*world);
  const torch::Device device = compute_device(settings);
  require_own_gpus(*group, uuid_of(device));
  group->connect(device);
  return group;
}

Settings settings_of_rank(Settings settings, const ProcessGroup& group) {
  if (group.is_main()) return settings;
  settings.quiet = true;
  settings.json = settings.plots = settings.verbose = false;
  log::set_level(log::Level::kWarning);
  return settings;
}

}  // namespace rtdetr
