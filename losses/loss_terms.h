#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor/detection.h"
#include "losses/options.h"

namespace rtdetr {

/// The terms of a criterion under construction, and what each is called (CriterionOptions::Naming): class, box and GIoU
/// of one output set after the other, and what its distributions add.
class LossTerms {
 public:
  explicit LossTerms(const CriterionOptions& options);

  /// @param losses  [3, S], decoder layers first to last, then the initial boxes and the encoder, if these are sets
  void add_matching(const Tensor& losses, std::int64_t layers, bool with_initial);
  /// @param losses  [3, S], decoder layers first to last, then the initial boxes, if they are a set
  void add_denoising(const Tensor& losses, std::size_t layers);
  /// @param value  scalar
  void add(const std::string& name, const Tensor& value);

  const std::vector<std::string>& names() const { return names_; }
  Tensor values() const;  ///< [names]

 private:
  void add_three(const std::string& suffix, const Tensor& three);

  CriterionOptions::Naming naming_;
  std::string class_name_;
  std::vector<std::string> names_;
  std::vector<Tensor> values_;  ///< [3] or [1] each
};

}  // namespace rtdetr
