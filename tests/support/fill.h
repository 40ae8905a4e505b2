#pragma once

#include <string>
#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

/// The rule by which the fixtures' weights and pictures are made (tests/fixtures/README.md §1), so that no weight file
/// is needed.
namespace rtdetr::test {

/// u(key): [count] float64 in [0, 1), SplitMix64 seeded with FNV-1a of the key.
torch::Tensor uniform_by_key(const std::string& key, const std::vector<std::int64_t>& shape);

/// Value of the tensor called `key`; undefined for what the model computes itself.
torch::Tensor value_by_key(const std::string& key, const std::vector<std::int64_t>& shape);

/// Sets every parameter and buffer by its key, in its own type.
void fill_by_rule(torch::nn::Module& model);

/// `fill.conv_gain` of some fixtures: every convolution in front of a norm times this.
void multiply_convolutions(torch::nn::Module& model, double gain);

/// [B, 3, H, W] float64.
torch::Tensor images_by_key(const std::string& key, const std::vector<std::int64_t>& shape);

}  // namespace rtdetr::test
