#pragma once

#include <filesystem>
#include <memory>

#include "core/weights/weights_file.h"

namespace rtdetr {

/// Opens what torch.save writes (.pt, .pth, .bin), of PyTorch 0.4 and later, by a reader of our own: nothing in the
/// file is executed, looked up or made an instance of, and what is not part of weights is refused by name.
///
/// Names are paths in the saved object: `ema.module.backbone.conv1.weight`, entries of lists by their number. A pickled
/// module gives its parameters and buffers under the names of its state dict. metadata() has the numbers and texts by
/// path: `epoch`, `optimizer.param_groups.0.lr`, a module's attributes (`model.model.0.bn.eps`).
///
/// Bounds: memory of 256 MiB and twice the file (what is read at once is one tensor and the bytes it spans), depth 64,
/// a million values; all tensors laid out may take twice the file and 128 MiB.
/// @throws CheckpointError  naming the file and what is wrong; IoError
std::unique_ptr<WeightsFile> open_torch_file(const std::filesystem::path& file);

}  // namespace rtdetr
