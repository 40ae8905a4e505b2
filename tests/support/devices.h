#pragma once

#include <cstdlib>

#include <torch/types.h>

#include "core/ops/cuda_plugin.h"

namespace rtdetr::test {

/// Where the tests tagged [devices] compute: on the CPU, or on the device that RTDETR_TEST_DEVICE names ("cuda" in the
/// ctest entries labelled cuda). Loads the CUDA plug-in: call it before anything asks LibTorch for a GPU, as
/// manual_seed does.
/// @throws ConfigError  if the plug-in cannot be loaded
inline torch::Device test_device() {
  const char* named = std::getenv("RTDETR_TEST_DEVICE");
  const torch::Device device(named ? named : "cpu");
  if (device.is_cuda()) load_cuda_plugin();
  return device;
}

}  // namespace rtdetr::test
