#include "core/ops/device.h"

#include <cstdlib>

#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/cuda.h>
#include <torch/types.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/ops/cuda_plugin.h"

namespace rtdetr {
namespace {

/// @throws ConfigError  with why it cannot be used
torch::Device open_card(int index) {
  load_cuda_plugin();
  const auto cards = static_cast<int>(torch::cuda::device_count());
  if (cards == 0)
    throw ConfigError("no GPU can be used here: NVIDIA's driver is not loaded, or CUDA_VISIBLE_DEVICES hides them");
  if (index >= cards) throw ConfigError("of " + counted(cards, "GPU") + " that can be used, none has that number");
  const torch::Device card(torch::kCUDA, static_cast<c10::DeviceIndex>(index));
  try {
    c10::impl::getDeviceGuardImpl(torch::kCUDA)->setDevice(card);
    torch::zeros({1}, card);
    wait_for(card);
  } catch (const c10::Error& error) {
    throw ConfigError("GPU " + std::to_string(index) + " does not answer: " + words_of(error));
  }
  return card;
}

}  // namespace

OpenedDevice open_device(const DeviceChoice& choice) {
  using Kind = DeviceChoice::Kind;
  if (choice.kind == Kind::kCpu) return {};
  if (choice.gpus.size() > 1)
    throw ConfigError(choice.argument + ": one process computes on one GPU; choose one of them");
  try {
    if (choice.kind == Kind::kCuda) return {open_card(choice.gpus.front()), ""};
    const int gpu = choice.gpus.empty() ? 0 : choice.gpus.front();
    return {open_card(gpu), "computing on GPU " + std::to_string(gpu)};
  } catch (const ConfigError& error) {
    if (choice.kind == Kind::kAuto) return {torch::kCPU, std::string("computing on the CPU: ") + error.what()};
    throw ConfigError(choice.argument + " is not available: " + error.what() + "; device=cpu always is");
  }
}

int visible_gpus() {
  try {
    load_cuda_plugin();
  } catch (const ConfigError&) {
    return 0;
  }
  return static_cast<int>(torch::cuda::device_count());
}

std::string uuid_of(torch::Device device) {
  const CudaPlugin* plugin = device.is_cuda() ? cuda_plugin() : nullptr;
  return plugin != nullptr && plugin->uuid != nullptr ? plugin->uuid(device.index()) : "";
}

void choose_algorithms(torch::Device device, bool deterministic) {
  if (device.is_cpu()) return;
  at::Context& context = at::globalContext();
  context.setBenchmarkCuDNN(!deterministic);
  context.setDeterministicCuDNN(deterministic);
  context.setDeterministicAlgorithms(deterministic, /*warn_only=*/false);
  context.setDeterministicFillUninitializedMemory(false);  // it only finds faults, and costs time
  if (deterministic) ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
}

bool names_device(const DeviceChoice& choice, torch::Device device) {
  using Kind = DeviceChoice::Kind;
  if (choice.kind == Kind::kCuda) return device.is_cuda() && device.index() == choice.gpus.front();
  return choice.kind == Kind::kAuto || device.is_cpu();
}

void wait_for(torch::Device device) {
  if (device.is_cuda()) torch::cuda::synchronize(device.index());
}

std::string words_of(const c10::Error& error) {
  const std::string text = error.what_without_backtrace();
  return text.substr(0, text.find('\n'));
}

}  // namespace rtdetr
