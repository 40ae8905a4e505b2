#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <torch/types.h>

#include "core/io/file.h"
#include "core/io/safetensors.h"
#include "core/weights/weights_file.h"

namespace rtdetr {

/// Tensors by name, in name order.
using TensorMap = std::map<std::string, torch::Tensor>;

/// Writes CPU copies of `tensors` as one safetensors file (io/safetensors.h), atomically.
void save_tensors(const std::filesystem::path& file, const TensorMap& tensors, const FileMetadata& metadata,
                  const AtomicWriteOptions& options = {});
/// The same as a file for Python's torch.load, below dictionaries with these names (weights/torch_writer.h).
void save_torch_tensors(const std::filesystem::path& file, std::span<const std::string> below, const TensorMap& tensors,
                        const AtomicWriteOptions& options = {});

struct TensorFile {
  TensorMap tensors;
  FileMetadata metadata;
};
/// Reads and verifies a whole file. @throws CheckpointError, IoError
TensorFile load_tensors(const SafetensorsReader& reader);
TensorFile load_tensors(const std::filesystem::path& file);
/// One tensor, or all, of an open file of any format. @throws CheckpointError, IoError
torch::Tensor load_tensor(const WeightsFile& file, const WeightTensor& tensor);
TensorMap load_tensors(const WeightsFile& file);

TensorType to_tensor_type(torch::ScalarType type);
torch::ScalarType to_scalar_type(TensorType type);

}  // namespace rtdetr
