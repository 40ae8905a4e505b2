#pragma once

#include "core/base/cpp20.h"

#include <string>

#include <c10/util/Exception.h>
#include <torch/types.h>

#include "core/base/device_choice.h"

namespace rtdetr {

/// A device that is there and answers.
struct OpenedDevice {
  torch::Device device = torch::kCPU;
  std::string reason;  ///< of auto: which it is, and why it is no GPU; else ""
};

/// Opens the device that was chosen. For a card the CUDA plug-in is loaded: call it before anything asks LibTorch about
/// CUDA (cuda_plugin.h); the card becomes the calling thread's current one. auto is the card that the choice names, or
/// the first, where the plug-in loads and the card answers, else the CPU.
/// @throws ConfigError  for a plug-in that is not there or cannot be loaded, with how to get it; for a card that is not
///                      there or does not answer; for several of them, since one process computes on one
OpenedDevice open_device(const DeviceChoice& choice);

/// GPUs that this process sees; 0 where the CUDA plug-in cannot be loaded.
int visible_gpus();

/// Which of all GPUs a card is, "GPU-" and the driver's UUID; "" for the CPU.
std::string uuid_of(torch::Device device);

/// How a GPU computes from now on: with algorithms that give the same bits every time, or with those that a trial finds
/// the fastest for each size. Comes before the first product of matrices there. On the CPU nothing changes: it always
/// gives the same bits.
void choose_algorithms(torch::Device device, bool deterministic);

/// Whether the words can mean this device: auto means any.
bool names_device(const DeviceChoice& choice, torch::Device device);

/// Returns when all that was given to the device so far is computed: a clock that is read earlier measures the giving
/// alone. The CPU is never behind.
void wait_for(torch::Device device);

/// What LibTorch says, in one line and without its own places in the source.
std::string words_of(const c10::Error& error);

}  // namespace rtdetr
