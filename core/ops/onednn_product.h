#pragma once

#include <optional>
#include <string>

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/types.h>

namespace rtdetr {

/// LibTorch's oneDNN product of matrices, a·bᵀ + bias. It has no derivative and no header: it is looked up by name and
/// tried before it is used (docs/decisions/0007-a-private-operator.md).
class OnednnProduct {
 public:
  /// That of this LibTorch, looked up and tried by the first call. nullptr: it is not to be had, as a warning has said.
  static const OnednnProduct* of_libtorch();
  /// The operator of this name. Nothing, after LibTorch's warning that says why, when there is none, when it takes
  /// other arguments, or when it throws or computes something else than torch::linear.
  static std::optional<OnednnProduct> find(const std::string& name);

  /// @param a, b  [M, K] and [N, K], float32 on the CPU
  /// @param bias  [N]
  /// @return      [M, N]
  torch::Tensor operator()(const torch::Tensor& a, const torch::Tensor& b,
                           const std::optional<torch::Tensor>& bias = {}) const;

 private:
  using Signature = torch::Tensor(const torch::Tensor&, const torch::Tensor&, const std::optional<torch::Tensor>&,
                                  std::string_view, c10::List<std::optional<at::Scalar>>,
                                  std::optional<std::string_view>);
  explicit OnednnProduct(const c10::OperatorHandle& op) : op_(op.typed<Signature>()) {}
  bool equals_linear() const;

  c10::TypedOperatorHandle<Signature> op_;
};

}  // namespace rtdetr
