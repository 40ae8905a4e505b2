#pragma once

#include "core/base/cpp20.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace rtdetr {

/// Element types of the format, with the format's own spelling.
enum class TensorType { kBool, kU8, kI8, kI16, kI32, kI64, kF16, kBF16, kF32, kF64 };
std::size_t element_size(TensorType type);
/// Of a tensor in memory. Absent if a size is below 0, or bytes or strides overflow: a 0 among the sizes hides no
/// other.
std::optional<std::size_t> bytes_of_shape(std::span<const std::int64_t> shape, std::size_t element);
const char* type_name(TensorType type);  ///< "F32", "I64", …

struct TensorEntry {
  std::string name;
  TensorType type = TensorType::kF32;
  std::vector<std::int64_t> shape;
  std::size_t offset = 0;  ///< into the payload
  std::size_t bytes = 0;
};

using FileMetadata = std::map<std::string, std::string>;

/// A tensor to be written: contiguous little-endian bytes that stay alive during the call.
struct TensorView {
  std::string name;
  TensorType type = TensorType::kF32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> data;
};
/// @throws InternalError  if its bytes are not as many as its shape wants
void check_size(const TensorView& view);

struct AtomicWriteOptions;

/// Key of the payload's SHA-256 in the metadata of files we write.
inline constexpr const char* kPayloadHashKey = "rtdetr.payload_sha256";

/// Writes atomically (file.h): the same tensors and metadata give the same bytes. Wide types come first, then names in
/// order, so that every tensor is aligned to its type; the payload starts at a multiple of 8. Two hashes are added to
/// `metadata`: the payload's and the header's own.
/// @throws InternalError  if a view's size does not fit its shape; IoError
void write_safetensors(const std::filesystem::path& file, std::span<const TensorView> tensors, FileMetadata metadata,
                       const AtomicWriteOptions& options);

class ReadOnlyFile;  // core/io/read_only_file.h

/// A strict reader of one file: every rule of the format (header length and JSON, contiguous offsets that cover the
/// payload, sizes equal to shape × type without overflow, no duplicates), and our hashes when there are any: the
/// header's at once, the payload's in verify_payload. Uses pread, no mmap: a failing disk is an exception, not SIGBUS.
/// Memory stays within three times the header's size. Files of other programs have no hashes and are read as well.
class SafetensorsReader {
 public:
  /// @throws CheckpointError  naming the file and the rule that is broken; IoError
  explicit SafetensorsReader(ReadOnlyFile file);
  explicit SafetensorsReader(const std::filesystem::path& file);
  ~SafetensorsReader();
  SafetensorsReader(SafetensorsReader&&) noexcept;
  SafetensorsReader& operator=(SafetensorsReader&&) noexcept;

  const std::string& name() const;  ///< of the file
  /// In payload order.
  const std::vector<TensorEntry>& entries() const;
  const FileMetadata& metadata() const;
  const TensorEntry* find(const std::string& name) const;
  /// Reads one tensor's bytes into `out` (exactly entry.bytes long).
  void read(const TensorEntry& entry, std::span<std::byte> out) const;
  /// Reads all tensors, each to where `place` says, and compares them with the stored hash on the way.
  /// @param place  exactly entry.bytes long  @throws CheckpointError  as verify_payload, when all are read
  void read_all(const std::function<std::span<std::byte>(const TensorEntry&)>& place) const;
  /// Reads the payload once and compares it with the stored hash; without one there is nothing to compare.
  /// @throws CheckpointError  on a difference
  void verify_payload() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rtdetr
