#pragma once

#include <cstdint>
#include <string>

#include <torch/nn/module.h>

#include "core/tensor/tensor_file.h"
#include "core/weights/weights_file.h"

/// The eps of a file's norms, which is another in other programs, and weights for models whose norms have another one.
namespace rtdetr {

/// Of official RT-DETR, Hugging Face, torchvision and timm; of Ultralytics.
inline constexpr double kUsualNormEps = 1e-5, kUltralyticsNormEps = 1e-3;

/// What the pickled norms of a file say; without that, what the program has that names tensors so: Ultralytics'
/// modules have numbers, `model.0.…`.
/// @param prefix  of the model's tensors in the file: "ema.module."; "" = the whole file
/// @param origin  what messages call the file
/// @throws CheckpointError  for norms with different values, which no model of ours has
double norm_eps_in(const WeightsFile& file, const std::string& prefix, const std::string& origin);

/// Scales the weights of norms, so that weight / sqrt(var + eps) stays what it is with the model's eps.
/// @param tensors   under the model's keys
/// @param file_eps  of the norms that they come from
/// @return          the number of norms; 0 if the model's eps is the same
std::int64_t rescale_norms(TensorMap& tensors, const torch::nn::Module& model, double file_eps);

/// "80 norms are scaled from eps 1e-05 to the model's, which is exact".
std::string words_for_rescaled(std::int64_t norms, double file_eps);

}  // namespace rtdetr
