#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/tensor/tensor_file.h"
#include "core/weights/weights_file.h"

/// Whose weights a file holds, where in it they are, and how they are called here.
namespace rtdetr {

enum class Family { kOfficial, kUltralytics, kHuggingFace };

struct ForeignPlace {
  Family family = Family::kOfficial;
  std::string prefix;  ///< of the model's tensors: "ema.module."; "" = the whole file
  std::string head;    ///< Ultralytics: number of the last row, "28"
};

/// Averaged weights (`ema`) come before the raw ones.
/// @param origin  what messages call the file
/// @throws CheckpointError  for what is no RT-DETR, saying what it is and what to do
ForeignPlace locate_model(const WeightsFile& file, const std::string& origin);

/// Tensors' shapes by name: what an architecture is recognised by.
using ShapeMap = std::map<std::string, std::vector<std::int64_t>>;
/// Of the model's tensors under our keys. @throws CheckpointError  for parts of one tensor that do not fit
ShapeMap shapes_under_our_keys(const WeightsFile& file, const ForeignPlace& place, const std::string& origin);

/// Of a score head's weight, [classes, width]. @throws CheckpointError  for what no model of ours can have
std::int64_t classes_of_scores(const std::vector<std::int64_t>& shape, const std::string& origin);

struct ForeignTensors {
  TensorMap tensors;                    ///< under our keys
  std::vector<std::string> left_out;    ///< of the file: models of ours have no such thing
  std::vector<std::string> unexpected;  ///< of the file: unknown
  std::int64_t joined = 0;              ///< of ours that are made of three
};
/// @throws CheckpointError, IoError
ForeignTensors load_under_our_keys(const WeightsFile& file, const ForeignPlace& place, const std::string& origin);

/// What else is in the file, with its number of tensors: "optimizer (1,066 tensors)", "epoch".
std::vector<std::string> other_contents(const WeightsFile& file, const ForeignPlace& place);

}  // namespace rtdetr
