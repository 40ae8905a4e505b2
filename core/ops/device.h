#pragma once

#include "core/base/cpp20.h"

#include <string>

#include <torch/types.h>

namespace rtdetr {

/// The device that people call so: "cpu", "cuda" (the current card), "cuda:1" or just "1". For a card the CUDA plug-in
/// is loaded: call it before anything asks LibTorch about CUDA (cuda_plugin.h).
/// @throws ConfigError  for another name, a plug-in that is not there, or a card that is not
torch::Device open_device(const std::string& name);

/// Returns when all that was given to the device so far is computed: a clock that is read earlier measures the giving
/// alone. The CPU is never behind.
void wait_for(torch::Device device);

}  // namespace rtdetr
