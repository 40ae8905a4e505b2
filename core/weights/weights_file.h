#pragma once

#include "core/base/cpp20.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/io/safetensors.h"

namespace rtdetr {

struct WeightTensor {
  std::string name;
  TensorType type = TensorType::kF32;
  std::vector<std::int64_t> shape;
  std::uint64_t bytes = 0;
};

/// A file of weights, whatever its format: tensors by name and texts by name. Opening it reads and checks everything
/// but the tensors' values, which are read one by one.
class WeightsFile {
 public:
  virtual ~WeightsFile() = default;

  /// "safetensors", "PyTorch": for messages.
  virtual const char* format() const = 0;
  /// In the file's order; no two have one name.
  const std::vector<WeightTensor>& tensors() const { return tensors_; }
  /// What it says beside them. Of a PyTorch file: every number and text, by its path; of a Hugging Face model also what
  /// the files beside it say (hugging_face.h).
  const FileMetadata& metadata() const { return metadata_; }
  const WeightTensor* find(const std::string& name) const;
  /// Reads one of tensors(): row-major, without gaps, little-endian.
  /// @param out  exactly tensor.bytes long
  virtual void read(const WeightTensor& tensor, std::span<std::byte> out) const = 0;
  /// Adds to metadata() what is not there yet.
  void add_metadata(FileMetadata more) { metadata_.merge(std::move(more)); }

 protected:
  /// Once, while it is opened.
  void hold(std::vector<WeightTensor> tensors);

 private:
  std::vector<WeightTensor> tensors_;
  std::unordered_map<std::string_view, std::size_t> index_of_;  ///< by the names in tensors_
  FileMetadata metadata_;
};

/// There is such a file, and its first bytes are those of a PyTorch file. @throws IoError
bool holds_torch_weights(const std::filesystem::path& file);

/// Opens a safetensors file (safetensors.h), or what torch.save writes (torch_file.h): by its content, not its name.
/// @throws CheckpointError  naming the file, what it is and what is wrong with it; IoError
std::unique_ptr<WeightsFile> open_weights_file(const std::filesystem::path& file);
/// The same, also for a Hugging Face model's folder and for the index of several files; with what lies beside the
/// weights (hugging_face.h).
std::unique_ptr<WeightsFile> open_weights(const std::filesystem::path& path);

}  // namespace rtdetr
