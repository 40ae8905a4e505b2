#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace rtdetr {

/// Where the processes of one job meet, and which of them this one is.
struct Rendezvous {
  std::int64_t rank = 0;
  std::int64_t size = 1;
  std::int64_t local_rank = 0;  ///< among the processes of this host
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  double timeout = 120;       ///< seconds that ranks wait for each other at the start
  double peer_timeout = 300;  ///< seconds that a collective waits for a silent peer
  int listen_fd =
      -1;  ///< of rank 0: listens at host:port already, and is this process's; -1 = it opens the port itself
  bool place_is_open = false;  ///< a launcher (torchrun) keeps the meeting place: rank 0 comes to it as the others do
  std::string attempt = "0";   ///< tells the tries of such a launcher from one another
};

/// The name of the variable that hands Rendezvous::listen_fd to rank 0.
inline constexpr const char* kListenFdVariable = "RTDETR_LISTEN_FD";

/// The value of an environment variable, nullptr for what is not set, as std::getenv gives it.
using EnvironmentLookup = std::function<const char*(const char* name)>;

/// The world that whoever started this process tells it about; nullopt if nobody did.
///
/// torchrun, and our own launcher: RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT. torchrun's agent mostly
/// keeps the meeting place, as TORCHELASTIC_USE_AGENT_STORE tells, and counts tries in TORCHELASTIC_RESTART_COUNT.
/// Slurm: a step (srun) of more than one task. Its ranks meet on the first host of the step, or on loopback if there is
/// one host, at a port of 10000 to 29999 that is made of the numbers of job and step; MASTER_ADDR and MASTER_PORT win
/// where they are set. The shell of a batch script is no step, whatever SLURM_NTASKS says.
///
/// @throws ConfigError  for a number out of range, with variable and value; for a part of torchrun's variables, with
///                      those that are missing
std::optional<Rendezvous> rendezvous_from(const EnvironmentLookup& environment);

}  // namespace rtdetr
