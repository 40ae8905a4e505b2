#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <torch/nn.h>

/// What is done with a module and everything below it, whatever they are.
namespace rtdetr {

/// Registers `module` under `parent`, going through plain container modules for each dot of `path`: LibTorch forbids
/// dots in a module's own name. @throws InternalError  if the path is taken
void register_at(torch::nn::Module& parent, const std::string& path, std::shared_ptr<torch::nn::Module> module);

/// A module whose buffers are the parameters of `module`, the very tensors, under the same keys: for a state that lists
/// a module several times. Parameters remain counted, averaged and trained once.
std::shared_ptr<torch::nn::Module> same_tensors(const torch::nn::Module& module);

/// Parameters and buffers by key: what a checkpoint's weights are. Order: registration.
std::vector<std::pair<std::string, torch::Tensor>> named_state(const torch::nn::Module& module);

/// Trainable and frozen, no buffers.
std::int64_t count_parameters(const torch::nn::Module& module);

/// Convolution weights in channels-last memory, where CPU convolutions are fastest; values and keys stay. Pictures in
/// the same layout spare their conversion.
void to_channels_last(torch::nn::Module& module);

}  // namespace rtdetr
