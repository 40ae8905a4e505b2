#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/distributed/process_group.h"
#include "core/distributed/rendezvous.h"
#include "train/config/settings.h"

/// The processes that train together: this one alone, the ranks that it starts (nproc=, device=0,1), or those among
/// which torchrun, Slurm or our own launcher has started it.
namespace rtdetr {

/// What whoever started this process says of its world; nullopt if nobody did. @throws ConfigError  rendezvous.h
std::optional<Rendezvous> world_of_this_process();

/// Whether this process is to start ranks instead of working: nproc= of them, or one for each GPU of a list.
/// @throws ConfigError  for nproc= where somebody else has started this process as one of several
bool starts_ranks(const Settings& settings);

/// Stays until the ranks have left (launch_ranks()). Comes before there is any other thread.
ExitCode launch_job(const Settings& settings, const std::vector<std::string>& arguments);

/// Meets the other processes of the job, where apply_machine_settings() has been: each with a GPU of its own, if they
/// compute on GPUs, and connected between these as well. A process that nobody has started as one of several is a world
/// of one.
/// @throws Error        kPeer: one of them does not come or is not reached
/// @throws ConfigError  on all of them, for a GPU on which several compute
std::unique_ptr<ProcessGroup> join_job(const Settings& settings);

/// What a rank is told: rank 0 speaks, the others only warn.
Settings settings_of_rank(Settings settings, const ProcessGroup& group);

}  // namespace rtdetr
