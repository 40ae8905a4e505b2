#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/tensor/tensor_file.h"

namespace rtdetr {

/// Everything a run must remember to go on bit-exactly, by name. Each object that has state adds it once, by reference;
/// saving and loading walk the same list, so nothing can be saved and forgotten on loading, or the reverse.
class StateRegistry {
 public:
  /// @throws InternalError  if the name is taken
  void add(const std::string& name, torch::Tensor tensor);
  void add(const std::string& name, std::int64_t* counter);
  void add(const std::string& name, double* value);
  /// Parameters and buffers as `<prefix><key>`.
  void add_module(const std::string& prefix, const torch::nn::Module& module);

  /// References to the tensors, where they lie; counters and values as scalars of int64 and float64 on the host.
  TensorMap entries() const;
  /// The same on the host: only what lies on a device is copied, and waited for.
  TensorMap capture() const;
  /// Puts `saved` back, each entry where its tensor lies, or changes nothing: names must be exactly the registered
  /// ones, types and shapes equal.
  /// @throws CheckpointError  naming the first entry that is missing, unknown, or of another shape
  void restore(const TensorMap& saved, const std::string& origin);
  /// Whether restore() would. @throws as it does
  void check(const TensorMap& saved, const std::string& origin) const;

 private:
  TensorMap tensors_;
  std::map<std::string, std::int64_t*> counters_;
  std::map<std::string, double*> values_;
};

}  // namespace rtdetr
