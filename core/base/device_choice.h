#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rtdetr {

/// What `device=` asks for, in words alone: whether such a device is there is for
/// core/ops/device.h to say.
struct DeviceChoice {
  enum class Kind {
    kCpu,
    kCuda,
    kAuto,  ///< a GPU where there is one, else the CPU
  } kind = Kind::kCpu;
  std::vector<int> gpus;      ///< kCuda: numbers of the devices, each once, one process for each; never empty
  bool each_its_own = false;  ///< cuda, auto: no number is named, so that of several processes each has one
  std::string argument;       ///< as it was given, for messages: "device=0 (command line)"
};

/// cpu | auto | cuda | cuda:1 | 0 | 0,1,2,3
/// @param origin  of the text, for messages: " (command line)" (Settings::origin_of)
/// @throws ConfigError
DeviceChoice device_choice(const std::string& text, const std::string& origin = "");

/// The GPU of one of the processes that train together on a machine: the one at its place in the list; the only one
/// that is named; of those that are not named the one with its number, or the only one that it sees, as where Slurm
/// shows each task its own.
/// @param local_rank  among the processes of this machine
/// @param visible     GPUs that the process sees
/// @throws ConfigError  if there are more processes than GPUs
int gpu_of_process(const DeviceChoice& choice, std::int64_t local_rank, std::int64_t visible);

}  // namespace rtdetr
