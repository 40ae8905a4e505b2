#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "core/tensor/tensor_file.h"
#include "core/weights/weights_file.h"

namespace rtdetr {

/// What another program's file has for a model.
struct ForeignWeights {
  TensorMap tensors;                    ///< under the model's keys
  std::string part;                     ///< of the file where they are, "ema.module"; "" = the whole
  std::string layout;                   ///< "Hugging Face RT-DETR", whose names they had; "" = the model's own
  std::vector<std::string> names;       ///< of the classes; empty if the file does not say
  bool names_are_cocos = false;         ///< they were not in the file, but it has COCO's number of classes
  std::vector<std::string> unexpected;  ///< tensors that no rule of the layout knows
};

/// Finds a model's weights in a file of PyTorch's or of another program: a state dict, a training checkpoint of
/// official RT-DETR, a pickled model of Ultralytics, a model of Hugging Face's transformers (key_tables.h). Of several
/// parts that fit, the averaged weights (`ema`) come before the raw ones (`model`); wrappers' prefixes (`module.`,
/// `_orig_mod.`) are taken off. Counters of batches that the file does not have begin at 0. Memory: the part that is
/// taken.
/// @param keys    of the model
/// @param origin  what messages call the file
/// @throws CheckpointError  for D-FINE, whose decoder is another one, and a fused file; for a third of a projection
///                          that is missing and copies that differ (key_conversion.h); IoError
ForeignWeights find_weights(const WeightsFile& file, const std::set<std::string>& keys, const std::string& origin);

/// COCO's 80 classes in their order.
const std::vector<std::string>& coco_names();
/// As its annotation files number them: 1 to 90, ten of them left out.
const std::vector<std::int64_t>& coco_category_ids();

}  // namespace rtdetr
