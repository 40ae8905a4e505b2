#pragma once

#include <cstdlib>
#include <ostream>
#include <string>
#include <vector>

#include <torch/types.h>

#include "core/ops/cuda_plugin.h"

namespace rtdetr::test {

/// The device of LibTorch's name for it, "cpu" or "cuda:1". Loads the CUDA plug-in: call it before anything asks
/// LibTorch for a GPU, as manual_seed does.
/// @throws ConfigError  if the plug-in cannot be loaded
inline torch::Device device_named(const std::string& name) {
  const torch::Device device(name);
  if (device.is_cuda()) load_cuda_plugin();
  return device;
}

/// Where the tests tagged [devices] compute: on the CPU, or on the device that RTDETR_TEST_DEVICE names ("cuda" in the
/// ctest entries labelled cuda); see device_named.
inline torch::Device test_device() {
  const char* named = std::getenv("RTDETR_TEST_DEVICE");
  return device_named(named ? named : "cpu");
}

/// Opened before any test: LibTorch keeps its first answer about GPUs, and a backward pass on the CPU asks.
inline const torch::Device kOpenedBeforeAnyTest = test_device();

/// A row of the table of devices and types: where a body computes, and in what.
struct Place {
  torch::Device device;
  torch::ScalarType type;
  double tolerance;  ///< between two ways to a number of about 1
  torch::TensorOptions options() const { return torch::dtype(type).device(device); }
};

inline std::ostream& operator<<(std::ostream& out, const Place& place) {
  return out << place.type << " on " << place.device;
}

/// The table, for GENERATE(from_range(places())).
inline std::vector<Place> places() {
  const torch::Device device = test_device();
  return {{device, torch::kFloat64, 1e-13}, {device, torch::kFloat32, 2e-5}};
}

/// Its rows of half types: what is computed in float32 and rounded once.
inline std::vector<Place> half_places() {
  const torch::Device device = test_device();
  return {{device, torch::kBFloat16, 8e-3}, {device, torch::kFloat16, 1e-3}};
}

}  // namespace rtdetr::test
