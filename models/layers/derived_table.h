#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include <torch/types.h>

#include <c10/core/InferenceMode.h>

#include "core/tensor/detection.h"

namespace rtdetr {

/// What is computed from a weight for maps of a size, kept for the sizes of late until the weight changes. A pass that
/// records gradients gets one of its own, with the way back to the weight. Safe to use from several threads.
class DerivedTable {
 public:
  using Size = std::array<std::int64_t, 2>;

  /// make(), or what it gave before for the same size and weight.
  template <typename Make>
  Tensor get(const Tensor& weight, const Size& size, const Make& make) {
    if (torch::GradMode::is_enabled() && weight.requires_grad()) return make();
    const std::lock_guard lock(mutex_);
    if (!is_of(weight)) forget(weight);
    for (const auto& [known, table] : tables_)
      if (known == size) return table;
    // A table outlives the pass: it is none of the caller's InferenceMode, which when left turns gradients on.
    const c10::InferenceMode normal_tensors(false);
    const torch::NoGradGuard no_grad;
    if (tables_.size() == kMostSizes) tables_.erase(tables_.begin());
    return tables_.emplace_back(size, make()).second;
  }

 private:
  static std::uint32_t version_of(const Tensor& weight) { return weight.is_inference() ? 0 : weight._version(); }
  bool is_of(const Tensor& weight) const {
    return weight_.defined() && weight_.unsafeGetTensorImpl()->storage().is_alias_of(weight.storage()) &&
           weight_.scalar_type() == weight.scalar_type() && version_ == version_of(weight);
  }
  void forget(const Tensor& weight) {
    tables_.clear();
    weight_ = weight.detach();
    version_ = version_of(weight);
  }

  static constexpr std::size_t kMostSizes = 4;
  std::mutex mutex_;
  Tensor weight_;  ///< shares its memory, so that no other tensor comes to lie there
  std::uint32_t version_ = 0;
  std::vector<std::pair<Size, Tensor>> tables_;
};

}  // namespace rtdetr
