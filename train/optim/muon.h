#pragma once

#include <cstddef>
#include <vector>

#include "train/optim/adamw.h"

namespace rtdetr {

struct MuonOptions {
  double momentum = 0.937;
  bool bfloat16 = false;  ///< the iteration in bfloat16, as PyTorch's; otherwise in the weights' type
};

/// Muon (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks") with the arithmetic of
/// PyTorch's torch.optim.Muon, adjust_lr_fn="match_rms_adamw": b = momentum · b + (1 − momentum) · g, and a matrix
/// moves along (1 − momentum) · g + momentum · b with all singular values made about 1, so that no direction has to
/// wait for its gradient to grow. The step is 0.2 · √max(rows, columns) times the rate, about as long as AdamW's, so
/// that rates and decoupled weight decay carry over (Liu et al. 2025, "Muon is scalable for LLM training", sec. 2.2).
///
/// A convolution is the matrix of its outputs by all the rest. All that is no matrix is AdamW's: norms and biases, what
/// is looked up by class or place (embeddings), the last layer of class scores, and what has less than 16 rows or
/// columns.
class Muon : public Optimizer {
 public:
  /// @param rest  of all that is no matrix
  /// @throws InternalError  if a parameter is in two groups
  explicit Muon(std::vector<ParameterGroup> groups, const MuonOptions& options = {}, const AdamWOptions& rest = {});

  void step(const StepRates& rates, const torch::Tensor& refused = {}) override;
  /// Adds `muon.momentum.<name>` of the matrices, and of all others what AdamW adds.
  void register_state(StateRegistry& registry) override;

 private:
  struct Matrix {
    std::size_t group = 0, parameter = 0;
    torch::Tensor momentum;
  };
  void update(Matrix& matrix, const StepRates& rates, const torch::Tensor& refused) const;

  MuonOptions options_;
  std::vector<Matrix> matrices_;
  AdamW rest_;
};

/// `x` with singular values of 0.7 to 1.2, as far as they were no more than a thousand times smaller than the largest:
/// five steps of the Newton–Schulz iteration with Jordan's coefficients.
/// @param x         [rows, columns]
/// @param bfloat16  the iteration in bfloat16, else in the type of `x`
/// @return          in the type of `x`
torch::Tensor orthogonalized(const torch::Tensor& x, bool bfloat16);

}  // namespace rtdetr
