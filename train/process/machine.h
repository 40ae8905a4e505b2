#pragma once

#include <optional>
#include <string>

#include <torch/types.h>

#include "train/config/settings.h"
#include "train/process/processor.h"

namespace rtdetr {

/// Where this process computes: what device= names (core/ops/device.h), of several GPUs this process' own. The commands
/// that compute ask here, and nowhere else.
/// @throws ConfigError  for a device that is not there
torch::Device compute_device(const Settings& settings);

/// How a command's report names it: the CPU by its threads, "8 threads", a GPU as "cuda:0".
std::string describe_device(torch::Device device);

/// Takes log level and compute threads from the settings, opens the device as deterministic= and tf32= say, and tells
/// which it is where device=auto chose it. @throws ConfigError for a device that is not there
void apply_machine_settings(const Settings& settings);

/// Largest resident size of this process so far, MiB.
double peak_memory_mib();

/// The most that tensors have taken on a GPU so far, MiB; nullopt for the CPU.
std::optional<double> device_peak_mib(torch::Device device);

/// The words this program was started with.
std::string command_line();

}  // namespace rtdetr
