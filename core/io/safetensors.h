#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace rtdetr {

/// Element types of the format, with the format's own spelling.
enum class TensorType { kBool, kU8, kI8, kI16, kI32, kI64, kF16, kBF16, kF32, kF64 };
std::size_t element_size(TensorType type);
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

struct AtomicWriteOptions;

/// Key of the payload's SHA-256 in the metadata of files we write.
inline constexpr const char* kPayloadHashKey = "rtdetr.payload_sha256";

/// Writes atomically (file.h), entries sorted by name, 8-byte aligned, with the payload's hash added to `metadata`.
void write_safetensors(const std::filesystem::path& file, std::span<const TensorView> tensors, FileMetadata metadata,
                       const AtomicWriteOptions& options);

/// A strict reader of one file: every rule of the format (header length and JSON, contiguous offsets that cover the
/// payload, sizes equal to shape × type without overflow, no duplicates), and our payload hash when there is one.
/// Uses pread, no mmap: a failing disk is an exception, not SIGBUS.
class SafetensorsReader {
 public:
  /// @throws CheckpointError  naming the file and the rule that is broken; IoError
  explicit SafetensorsReader(const std::filesystem::path& file);
  ~SafetensorsReader();
  SafetensorsReader(SafetensorsReader&&) noexcept;
  SafetensorsReader& operator=(SafetensorsReader&&) noexcept;

  const std::vector<TensorEntry>& entries() const;
  const FileMetadata& metadata() const;
  const TensorEntry* find(const std::string& name) const;
  /// Reads one tensor's bytes into `out` (exactly entry.bytes long).
  void read(const TensorEntry& entry, std::span<std::byte> out) const;
  /// Reads the payload once and compares it with the stored hash. @throws CheckpointError on a difference
  void verify_payload() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rtdetr
