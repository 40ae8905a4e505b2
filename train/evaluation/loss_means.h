#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/distributed/process_group.h"
#include "core/tensor/detection.h"
#include "data/dataset/sample.h"
#include "losses/options.h"

namespace rtdetr {

/// A batch as all processes share it.
struct WholeBatch {
  double pictures = 0, boxes = 0;
};
/// Of the part of it that this process has. One wait.
WholeBatch whole_of(const Batch& part, ProcessGroup& group);

/// Means of the loss terms over the pictures of all processes: each batch's terms, over its boxes, count as often as it
/// has pictures.
class LossMeans {
 public:
  /// Of each batch all processes come here or to add_none().
  /// @param targets  of the part of the batch that this process has
  void add(const ModelOutput& output, std::span<const Target> targets, const WholeBatch& whole,
           const CriterionOptions& criterion, ProcessGroup& group);
  /// Of a batch of which this process has no picture.
  static void add_none(const CriterionOptions& criterion, ProcessGroup& group);
  /// All processes come here, those without a picture too. @param pictures  of all of them
  std::vector<std::pair<std::string, double>> means(std::int64_t pictures, ProcessGroup& group) const;

 private:
  std::vector<std::string> names_;
  std::vector<double> sums_;  ///< by name
};

}  // namespace rtdetr
