#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <string>

#include <torch/nn/module.h>
#include <torch/types.h>

/// Initial weights. Every tensor is a function of (seed, its key), so neither the order of construction nor the rest of
/// the model matters. Constructors only ask for memory (`new_weight`); values come from one walk over the finished
/// model, children before parents, so that a parent may overrule what its children drew.
namespace rtdetr {

/// A tensor for a parameter or buffer, unset, float32. Counted by the ParameterBudget in force, and without memory
/// (meta device) while that budget is only counting.
torch::Tensor new_weight(torch::IntArrayRef shape);

/// Returns where new_weight puts tensors now: the CPU, or the meta device. For buffers that constructors fill
/// themselves.
torch::Device weight_device();

/// Counts what constructors of this thread ask for while it lives.
/// @throws ModelError  from new_weight once more than `limit` elements were asked for
class ParameterBudget {
 public:
  static constexpr std::int64_t kLimit = 4'000'000'000;

  explicit ParameterBudget(bool counting_only, std::int64_t limit = kLimit);
  ~ParameterBudget();
  ParameterBudget(const ParameterBudget&) = delete;
  ParameterBudget& operator=(const ParameterBudget&) = delete;

  std::int64_t used() const { return used_; }

 private:
  friend torch::Tensor new_weight(torch::IntArrayRef);
  friend torch::Device weight_device();
  bool counting_only_;
  std::int64_t limit_, used_ = 0;
  ParameterBudget* outer_;
};

/// Draws values for the tensors of the module at `path`. `name` is relative to it: "weight", "layers.2.bias".
class WeightDraws {
 public:
  WeightDraws(std::uint64_t seed, std::string path) : seed_(seed), path_(std::move(path)) {}

  void uniform(const torch::Tensor& tensor, const std::string& name, double bound) const;  ///< U(-bound, bound)
  void normal(const torch::Tensor& tensor, const std::string& name) const;                 ///< N(0, 1)
  /// PyTorch's default for conv and linear weights: bound 1/√fan_in, fan_in = product of shape[1:].
  void fan_in_uniform(const torch::Tensor& weight, const std::string& name) const;
  /// Default for their bias: bound 1/√(fan_in of the weight).
  void bias_uniform(const torch::Tensor& bias, const torch::Tensor& weight, const std::string& name) const;
  /// Bound √(6 / (fan_in + fan_out)), both times the kernel's area.
  void xavier_uniform(const torch::Tensor& weight, const std::string& name) const;
  static void constant(const torch::Tensor& tensor, double value);

 private:
  std::uint64_t seed_;
  std::string path_;
};

/// A module that sets its own initial weights, called after its children. Others, LibTorch's too, keep what they were
/// made with.
class InitializesWeights {
 public:
  virtual ~InitializesWeights() = default;
  virtual void init_weights(const WeightDraws& draws) = 0;
};

void initialize_weights(torch::nn::Module& root, std::uint64_t seed);

/// Copies parameters and buffers of equal names: the references' "deep copies" start identical.
void copy_state(const torch::nn::Module& from, torch::nn::Module& to);

}  // namespace rtdetr
