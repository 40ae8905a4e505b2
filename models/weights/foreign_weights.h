#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "core/tensor/tensor_file.h"
#include "core/weights/weights_file.h"
#include "models/weights/norm_eps.h"
#include "models/weights/weight_reading.h"

namespace rtdetr {

/// What another program's file has for a model.
struct ForeignWeights {
  TensorMap tensors{};                    ///< under the model's keys
  std::string part{};                     ///< of the file where they are, "ema.module"; "" = the whole
  std::string layout{};                   ///< "Hugging Face RT-DETR", whose names they had; "" = the model's own
  std::vector<std::string> names{};       ///< of the classes; empty if the file does not say, or nobody asked
  bool names_are_cocos = false;           ///< they were not in the file, but it has COCO's number of classes or of ids
  std::vector<std::string> left_out{};    ///< of the file: models of ours have no such thing
  std::vector<std::string> unexpected{};  ///< of the file: no rule of the layout knows them
  std::vector<std::string> counters{};    ///< of the model: counters of batches that the file lacks; they begin at 0
  std::int64_t joined = 0;                ///< of the model's, made of three of the file's
  double norm_eps = kUsualNormEps;        ///< of the file's norms
};

/// The tensors of one reading, ready for a model. Memory: the part that is read.
/// @param keys    of the model
/// @param origin  what messages call the file
/// @throws CheckpointError  for copies that differ and thirds that do not fit (key_conversion.h); IoError
ForeignWeights read_weights(const WeightsFile& file, const WeightReading& reading, const std::set<std::string>& keys,
                            const std::string& origin);

/// ResNet-18 and 34 of torchvision and timm have no projection in the shortcut of their first stage, where the official
/// ones do: one is made that changes nothing, if `keys` has it and `tensors` does not. @return  entries made
std::int64_t add_identity_shortcut(TensorMap& tensors, const std::set<std::string>& keys);

/// Finds a model's weights in a file of PyTorch's or of another program: a state dict, a training checkpoint of
/// official RT-DETR, a pickled model of Ultralytics, a model of Hugging Face's transformers (key_tables.h). Of several
/// parts that fit, the averaged weights (`ema`) come before the raw ones (`model`); wrappers' prefixes (`module.`,
/// `_orig_mod.`) are taken off. The classes' names come along.
/// @throws CheckpointError  for D-FINE, whose decoder is another one, and a fused file; for a third of a projection
///                          that is missing; as read_weights
ForeignWeights find_weights(const WeightsFile& file, const std::set<std::string>& keys, const std::string& origin);

}  // namespace rtdetr
