#pragma once

#include "core/base/cpp20.h"

#include <filesystem>
#include <span>
#include <string>

#include "core/io/safetensors.h"

namespace rtdetr {

struct AtomicWriteOptions;

/// Writes a file that Python's torch.load opens with weights_only=True, and open_torch_file: an archive of a pickle
/// (protocol 2) and one storage per tensor. The object is the tensors' state dict, in their order, below the
/// dictionaries that `below` names: {"ema", "module"} gives {'ema': {'module': {…}}}. Written atomically (file.h); the
/// same tensors give the same bytes. Memory: the pickle, some 300 bytes per tensor.
/// @throws ConfigError  for more than 65,531 tensors or 4 GiB, which need zip64; InternalError  if a view's size does
/// not
///                      fit its shape; IoError
void write_torch_file(const std::filesystem::path& file, std::span<const std::string> below,
                      std::span<const TensorView> tensors, const AtomicWriteOptions& options);

}  // namespace rtdetr
