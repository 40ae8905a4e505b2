#pragma once

#include <functional>
#include <string>
#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "tests/parity/fixture.h"

/// A module alone, as some fixture files have it: parameters and inputs by the fill rule under keys that begin with
/// `mod.<tag>.`, its output and gradients stored.
namespace rtdetr::test {

struct ModuleCase {
  std::string tag;
  std::shared_ptr<torch::nn::Module> module;
  std::vector<torch::Tensor> inputs;  ///< float64; those that get a gradient say so
  std::function<torch::Tensor(const std::vector<torch::Tensor>&)> forward;
};

/// 2u - 1 of the key "mod.<tag>.<name>".
torch::Tensor centred(const std::string& tag, const std::string& name, const std::vector<std::int64_t>& shape);

/// float64, filled.
void fill_module(const ModuleCase& test);

/// Runs the module as it is, and backward from the file's upstream gradient.
/// @param out  name of the stored output
void check_pass(const Fixture& fixture, const ModuleCase& test, const std::string& out, double limit);

}  // namespace rtdetr::test
