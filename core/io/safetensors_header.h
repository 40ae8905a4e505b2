#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/io/safetensors.h"

/// The header of a safetensors file as text: its JSON (safetensors_json.cpp) and the rules that need no file. For
/// safetensors.cpp.
namespace rtdetr {

struct SafetensorsHeader {
  std::vector<TensorEntry> entries;  ///< in payload order, without gaps, sizes checked against the shapes
  FileMetadata metadata;
};

/// Our second hash, of the header itself: SHA-256 of the header's text with this value's 64 digits as zeros. With it,
/// a flipped bit in a name or in the metadata is found too.
inline constexpr const char* kHeaderHashKey = "rtdetr.header_sha256";

inline constexpr const char* kSafetensorsMetadataKey = "__metadata__";

/// @param text          the header, padding included
/// @param payload_size  bytes behind it
/// @throws CheckpointError  naming `file` and the rule that is broken
SafetensorsHeader parse_safetensors_header(const std::string& text, std::uint64_t payload_size,
                                           const std::string& file);

/// The part of it that JSON alone tells: entries in the text's order, each with the size that its shape wants.
SafetensorsHeader read_safetensors_json(const std::string& text, const std::string& file);
std::optional<TensorType> tensor_type_named(std::string_view name);
[[noreturn]] void refuse_safetensors(const std::string& file, const std::string& message);

/// The header's text for these entries (offsets are theirs), padded so that the payload starts at a multiple of 8, with
/// its own hash filled in.
std::string write_safetensors_header(const SafetensorsHeader& header);

}  // namespace rtdetr
