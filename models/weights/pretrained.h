#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <torch/nn.h>

#include "core/tensor/tensor_file.h"

namespace rtdetr {

/// What a transfer found.
struct TransferReport {
  std::int64_t copied = 0;          ///< entries taken over whole
  std::int64_t by_class = 0;        ///< entries taken over class by class
  std::int64_t classes = 0;         ///< classes that both sides have
  std::vector<std::string> kept;    ///< entries that keep their initial values: missing, or of another shape
  std::vector<std::string> unused;  ///< entries of the file that the model does not have
};

/// Starts a model from a checkpoint's weights (fine-tuning): entries with the same name and shape are copied, rows of
/// score heads and of the denoising embedding by the class's name (letter case and outer blanks do not count). The rest
/// stays as it is.
///
/// @param from_classes  of the weights, in their order
/// @param to_classes    of the module
TransferReport transfer_weights(torch::nn::Module& module, const std::vector<std::string>& to_classes,
                                const TensorMap& weights, const std::vector<std::string>& from_classes);

/// Starts the module from a file: a model file, the averaged weights of a run's last.safetensors, or what another
/// program wrote under our keys (find_weights), whose classes are taken by name if it names them, or has COCO's 80 and
/// the module some of them, else in their order. Says what was taken, and warns when that is less than nine tenths.
/// @throws CheckpointError  when nothing fits, and for an exported or fused file: fusion is not undone
void take_weights(torch::nn::Module& module, const std::vector<std::string>& to_classes, const std::string& file);

/// "weights.safetensors: 312 of 316 entries taken over, 4 of them class by class (2 classes match); …".
std::string describe(const TransferReport& report, const std::string& file);
/// Less than nine tenths were taken over: "only 161 of 410 …" with the parts that were not and how much of each.
/// Empty when it was enough.
std::string shortfall(const TransferReport& report, const std::string& file);

}  // namespace rtdetr
