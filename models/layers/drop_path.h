#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/tensor/detection.h"

/// Stochastic depth (arXiv 1603.09382): in training, branches are left out at random, of each picture others.
namespace rtdetr {

/// A module with such branches.
class DropsPaths {
 public:
  virtual ~DropsPaths() = default;
  /// How many there are.
  virtual std::int64_t path_count() const = 0;
  /// Before each pass in training.
  /// @param uniform  [path_count(), B] in [0, 1), of each branch and picture
  virtual void draw_paths(const Tensor& uniform) = 0;
};

/// What a branch's output is multiplied by, [B]: 0, or 1 / (1 − rate), so that the mean stays.
Tensor path_factors(const Tensor& uniform, double rate);

/// Draws for all of a model's branches at once: on a GPU they come in one copy.
class PathDraws {
 public:
  PathDraws() = default;
  /// @param root  may be under construction
  explicit PathDraws(const torch::nn::Module& root);
  bool empty() const { return modules_.empty(); }
  /// For the pictures `rank`, `rank + world`, … of the batch of all processes.
  /// @param batch  of this process
  void draw(std::int64_t batch, std::int64_t rank, std::int64_t world, const torch::Generator& generator,
            torch::Device device) const;

 private:
  std::vector<std::shared_ptr<torch::nn::Module>> modules_;  ///< each DropsPaths, with at least one branch
};

}  // namespace rtdetr
