#pragma once

#include "core/base/cpp20.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/io/safetensors.h"

namespace rtdetr {

/// A view of a storage as torch describes it; offset and strides in elements.
struct TorchView {
  std::vector<std::int64_t> size, stride;
  std::int64_t offset = 0;
  TensorType type = TensorType::kF32;
};

/// Whether the view stays within a storage of that many bytes; every product and sum is checked.
/// @return  "" or what is wrong with it, as "reaches …"
std::string tensor_fault(const TorchView& view, std::uint64_t storage_bytes);

/// Bytes of its elements, laid out in row-major order without gaps; tensor_fault has found nothing.
std::uint64_t laid_out_bytes(const TorchView& view);

/// Bytes of the storage that it spans: where they begin, and how many.
struct StorageRange {
  std::uint64_t begin = 0, bytes = 0;
};
StorageRange storage_range(const TorchView& view);

/// Its elements lie in the storage as they are to be laid out.
bool is_contiguous(const TorchView& view);

/// Copies the elements in row-major order. @param range  the bytes of storage_range
void lay_out(const TorchView& view, std::span<const std::byte> range, std::span<std::byte> out);

}  // namespace rtdetr
