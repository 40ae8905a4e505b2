#pragma once

#include "train/config/device_choice.h"

namespace rtdetr {

/// Number of the GPU on which this process computes: that of its place (LOCAL_RANK, SLURM_LOCALID) among those that
/// train together on this machine (gpu_of_process()), the first of the choice for a process alone. Loads the CUDA
/// plug-in. @throws ConfigError
int own_gpu(const DeviceChoice& choice);

}  // namespace rtdetr
