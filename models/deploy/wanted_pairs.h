#pragma once

#include <cstdint>
#include <vector>

#include "core/tensor/detection.h"

namespace rtdetr {

/// Which pairs of query and class may become detections: by default all, as in the references.
struct WantedPairs {
  std::vector<std::int64_t> classes;  ///< indices; empty: all
  bool one_class_per_query = false;   ///< of each query its best one (among `classes`) alone
  bool are_all() const { return classes.empty() && !one_class_per_query; }
};

/// The prediction with the logits of all other pairs at minus infinity: their score is 0, so that they come last in
/// any head's postprocessing and take no place from those that are wanted. Of a query's equal best classes one stays,
/// the first.
/// @throws Error  for a class that the prediction does not have
Prediction keep_wanted(const Prediction& prediction, const WantedPairs& wanted);
/// Of every layer that predicts.
ModelOutput keep_wanted(ModelOutput output, const WantedPairs& wanted);

}  // namespace rtdetr
