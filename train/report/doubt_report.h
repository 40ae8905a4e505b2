#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/image/picture.h"
#include "data/dataset/dataset.h"
#include "data/evaluation/label_doubts.h"
#include "train/evaluation/evaluator.h"

/// What `check model=` says: annotations that a model disagrees with most.
namespace rtdetr {

class DoubtReport {
 public:
  /// @param confidence  detections from this score on speak
  explicit DoubtReport(double confidence) : confidence_(confidence) {}
  /// @param split  its key; empty for a lone annotation file
  void add(const std::string& split, Dataset dataset, const Evaluation& evaluation);

  /// The first 25 as a table, and counts.
  std::string text() const;
  /// {confidence, unseen, doubts: [{kind, loss, split, picture, label: {name, annotation_id, box_xywh} or null,
  /// detected: {name, score, box_xywh}, iou}]}, all of them, highest loss first.
  nlohmann::ordered_json json() const;
  /// The first 24, each the part of its picture around it: annotations in black, the doubted one thick, the detection
  /// in its class's colour. Pictures that cannot be read are passed over. @return  empty if there is no doubt
  Picture sheet() const;

 private:
  struct Split {
    std::string key;
    Dataset dataset;
  };
  struct Entry {
    LabelDoubt doubt;
    std::size_t split = 0;
    std::size_t picture = 0;  ///< of the split's data set
  };
  const Dataset& dataset_of(const Entry& entry) const { return splits_[entry.split].dataset; }
  const Dataset::PictureEntry& picture_of(const Entry& entry) const {
    return dataset_of(entry).pictures[entry.picture];
  }
  std::int64_t class_index(const Entry& entry, std::int64_t category_id) const;
  std::string class_name(const Entry& entry, std::int64_t category_id) const;
  Picture tile(const Entry& entry) const;

  double confidence_;
  std::vector<Split> splits_;
  std::vector<Entry> entries_;  ///< highest loss first
  std::int64_t unseen_ = 0;
};

}  // namespace rtdetr
