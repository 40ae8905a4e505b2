#pragma once

#include <string>

#include <torch/types.h>

#include "core/base/precision.h"
#include "core/distributed/process_group.h"
#include "train/optim/amp.h"

namespace rtdetr {

struct PrecisionChoice {
  Precision precision = Precision::kFloat32;
  std::string reason;  ///< one line for the log
};

/// What `amp` means here. kAuto on a card: bf16 where the card computes it, else fp16. On the CPU: fp32
/// where it has no bf16 products (AVX512_BF16), whatever a busy machine's clock says; else a convolution is timed
/// forward and backward in both, in some tenths of a second, and bf16 is taken where it is clearly faster.
PrecisionChoice choose_precision(Amp amp, torch::Device device);

/// What a run has begun with and goes on with.
/// @throws ConfigError  for a word that no version writes
PrecisionChoice keep_precision(const std::string& word, torch::Device device);

/// All processes take the main one's choice: what each has measured may differ.
void share_precision(PrecisionChoice& choice, ProcessGroup& group);

}  // namespace rtdetr
