#pragma once

#include <map>
#include <string>
#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

/// Numbers in a module's state that nothing trains: the model's YAML says them, and the forward pass reads the YAML's.
/// A file has them as well, in whatever type its program wrote, and is compared with them, never copied from.
namespace rtdetr {

struct StateConstant {
  std::string key;  ///< of a tensor of one number, relative to the module
  double value = 0;
};

/// A module that has such numbers.
class HoldsConstants {
 public:
  virtual ~HoldsConstants() = default;
  virtual std::vector<StateConstant> constants() const = 0;
};

/// Those of the module and of all below it, by key.
std::map<std::string, double> constants_of(const torch::nn::Module& module);

/// Whether the tensor is that one number; it may have been rounded to half precision.
bool says_constant(const torch::Tensor& tensor, double value);
/// Of a tensor that does not: "8 instead of 4".
std::string other_constant(const torch::Tensor& tensor, double value);

}  // namespace rtdetr
