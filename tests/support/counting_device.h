#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

/// A device without hardware, "privateuseone": the CPU computes for it in the host's memory, but to LibTorch it is a
/// device of its own. So the tests run what a card would run; operands that lie on two devices are refused as a card
/// refuses them; and what costs time there is counted: kernel launches, and the host's waits.
///
/// What it cannot show is how long anything takes, and what a card's own kernels compute. A launch is counted for every
/// operator that reaches the device and computes or copies (device_log.h); some of a card's operators launch several
/// kernels (sorting, sums over many numbers). Lists of tensors are counted as LibTorch launches them (list_launches.h).
namespace rtdetr::test {

/// Registers the device where that was not done. It stays, so this is for binaries that have no other tests.
torch::Device counting_device();

/// Moves parameters and buffers; the handles that others hold follow. torch::nn::Module::to refuses foreign devices.
void move_to(torch::nn::Module& module, torch::Device device);

}  // namespace rtdetr::test
