#include "core/tensor/tensor_file.h"

#include <torch/types.h>

#include "core/base/check.h"
#include "core/base/error.h"
#include "core/weights/torch_writer.h"

namespace rtdetr {

TensorType to_tensor_type(torch::ScalarType type) {
  switch (type) {
    case torch::kBool:
      return TensorType::kBool;
    case torch::kUInt8:
      return TensorType::kU8;
    case torch::kInt8:
      return TensorType::kI8;
    case torch::kInt16:
      return TensorType::kI16;
    case torch::kInt32:
      return TensorType::kI32;
    case torch::kInt64:
      return TensorType::kI64;
    case torch::kFloat16:
      return TensorType::kF16;
    case torch::kBFloat16:
      return TensorType::kBF16;
    case torch::kFloat32:
      return TensorType::kF32;
    case torch::kFloat64:
      return TensorType::kF64;
    default:
      throw InternalError(std::string("a tensor of type ") + torch::toString(type) +
                          " cannot be stored in a safetensors file");
  }
}

torch::ScalarType to_scalar_type(TensorType type) {
  switch (type) {
    case TensorType::kBool:
      return torch::kBool;
    case TensorType::kU8:
      return torch::kUInt8;
    case TensorType::kI8:
      return torch::kInt8;
    case TensorType::kI16:
      return torch::kInt16;
    case TensorType::kI32:
      return torch::kInt32;
    case TensorType::kI64:
      return torch::kInt64;
    case TensorType::kF16:
      return torch::kFloat16;
    case TensorType::kBF16:
      return torch::kBFloat16;
    case TensorType::kF32:
      return torch::kFloat32;
    case TensorType::kF64:
      return torch::kFloat64;
  }
  throw InternalError("unknown tensor type " + std::to_string(static_cast<int>(type)));
}

namespace {

/// CPU copies of tensors, and views of their bytes.
struct HostTensors {
  explicit HostTensors(const TensorMap& tensors) {
    copies.reserve(tensors.size());
    views.reserve(tensors.size());
    for (const auto& [name, tensor] : tensors) {
      RTDETR_CHECK(tensor.defined(), "tensor '" + name + "' is undefined");
      const torch::Tensor copy = copies.emplace_back(tensor.detach().to(torch::kCPU).contiguous());
      const auto* bytes = static_cast<const std::byte*>(copy.const_data_ptr());
      views.push_back({name, to_tensor_type(copy.scalar_type()), copy.sizes().vec(), {bytes, copy.nbytes()}});
    }
  }
  std::vector<torch::Tensor> copies;  ///< own the bytes
  std::vector<TensorView> views;
};

/// A byte of a file that is neither 0 nor 1 is no bool of the language.
void make_truths(const torch::Tensor& tensor) {
  if (tensor.scalar_type() == torch::kBool) tensor.view(torch::kUInt8).ne_(0);
}

}  // namespace

void save_tensors(const std::filesystem::path& file, const TensorMap& tensors, const FileMetadata& metadata,
                  const AtomicWriteOptions& options) {
  write_safetensors(file, HostTensors(tensors).views, metadata, options);
}

void save_torch_tensors(const std::filesystem::path& file, std::span<const std::string> below, const TensorMap& tensors,
                        const AtomicWriteOptions& options) {
  write_torch_file(file, below, HostTensors(tensors).views, options);
}

torch::Tensor load_tensor(const WeightsFile& file, const WeightTensor& tensor) {
  torch::Tensor values = torch::empty(tensor.shape, to_scalar_type(tensor.type));
  file.read(tensor, {static_cast<std::byte*>(values.data_ptr()), values.nbytes()});
  make_truths(values);
  return values;
}

TensorMap load_tensors(const WeightsFile& file) {
  TensorMap tensors;
  for (const WeightTensor& tensor : file.tensors()) tensors.emplace(tensor.name, load_tensor(file, tensor));
  return tensors;
}

TensorFile load_tensors(const std::filesystem::path& file) { return load_tensors(SafetensorsReader(file)); }

TensorFile load_tensors(const SafetensorsReader& reader) {
  TensorFile result{{}, reader.metadata()};
  reader.read_all([&](const TensorEntry& entry) -> std::span<std::byte> {
    const torch::Tensor tensor = torch::empty(entry.shape, to_scalar_type(entry.type));
    result.tensors.emplace(entry.name, tensor);
    return {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()};
  });
  for (auto& [name, tensor] : result.tensors) make_truths(tensor);
  return result;
}

}  // namespace rtdetr
