#include "core/io/safetensors_header.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/hash.h"

namespace rtdetr {
namespace {

struct TypeInfo {
  TensorType type;
  const char* name;
  std::size_t size;
};
constexpr TypeInfo kTypes[] = {
    {TensorType::kBool, "BOOL", 1}, {TensorType::kU8, "U8", 1},     {TensorType::kI8, "I8", 1},
    {TensorType::kI16, "I16", 2},   {TensorType::kI32, "I32", 4},   {TensorType::kI64, "I64", 8},
    {TensorType::kF16, "F16", 2},   {TensorType::kBF16, "BF16", 2}, {TensorType::kF32, "F32", 4},
    {TensorType::kF64, "F64", 8},
};

const TypeInfo& info(TensorType type) {
  for (const TypeInfo& known : kTypes) {
    if (known.type == type) return known;
  }
  throw InternalError("a tensor type outside the list");
}

void refuse_duplicates(const SafetensorsHeader& header, const std::string& file) {
  std::vector<const std::string*> names;
  for (const TensorEntry& entry : header.entries) names.push_back(&entry.name);
  std::sort(names.begin(), names.end(), [](const auto* a, const auto* b) { return *a < *b; });
  const auto twin =
      std::adjacent_find(names.begin(), names.end(), [](const auto* a, const auto* b) { return *a == *b; });
  if (twin != names.end()) refuse_safetensors(file, "two tensors are named '" + **twin + "'");
}

/// Tensors must lie end to end from the first payload byte to the last.
void check_layout(SafetensorsHeader& header, std::uint64_t payload_size, const std::string& file) {
  std::sort(header.entries.begin(), header.entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return a.offset != b.offset ? a.offset < b.offset : a.bytes < b.bytes;
  });
  std::uint64_t end = 0;
  for (const TensorEntry& entry : header.entries) {
    if (entry.offset != end) {
      refuse_safetensors(file, "tensor '" + entry.name + "' starts at byte " + std::to_string(entry.offset) +
                                   " of the payload, not at " + std::to_string(end) + " where the one before it ends");
    }
    end += entry.bytes;
  }
  if (end != payload_size) {
    refuse_safetensors(file, "its tensors take " + std::to_string(end) + " bytes, the file holds " +
                                 std::to_string(payload_size) + (end > payload_size ? "; it is cut off" : ""));
  }
}

/// The quoted key of the header's hash, colon and opening quote, as our writer spells them.
constexpr std::string_view kHashPrefix = "\"rtdetr.header_sha256\":\"";
constexpr std::size_t kDigits = 64;

std::string header_hash(std::string text, std::size_t digits_at) {
  text.replace(digits_at, kDigits, kDigits, '0');
  Sha256 hash;
  hash.update(text);
  return hash.hex_digest();
}

/// A file with one of our two hashes must have both: else a flipped bit in a key's name would switch the check off.
void check_header_hash(const SafetensorsHeader& header, const std::string& text, const std::string& file) {
  const auto stored = header.metadata.find(kHeaderHashKey);
  const bool has_header_hash = stored != header.metadata.end();
  if (has_header_hash != header.metadata.contains(kPayloadHashKey)) {
    refuse_safetensors(
        file, std::string("it has only one of '") + kHeaderHashKey + "' and '" + kPayloadHashKey + "'; it is damaged");
  }
  if (!has_header_hash) return;
  const std::size_t at = text.find(kHashPrefix);
  const bool found = at != std::string::npos && stored->second.size() == kDigits;
  if (!found || header_hash(text, at + kHashPrefix.size()) != stored->second) {
    refuse_safetensors(file, "its header does not match its hash; it is damaged");
  }
}

}  // namespace

std::size_t element_size(TensorType type) { return info(type).size; }

std::optional<std::size_t> bytes_of_shape(std::span<const std::int64_t> shape, std::size_t element) {
  auto bytes = static_cast<std::int64_t>(element);
  bool empty = false;
  for (const std::int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(bytes, std::max<std::int64_t>(size, 1), &bytes)) return std::nullopt;
    empty |= size == 0;
  }
  return empty ? 0 : static_cast<std::size_t>(bytes);
}
const char* type_name(TensorType type) { return info(type).name; }

std::optional<TensorType> tensor_type_named(std::string_view name) {
  for (const TypeInfo& known : kTypes) {
    if (name == known.name) return known.type;
  }
  return std::nullopt;
}

void refuse_safetensors(const std::string& file, const std::string& message) {
  throw CheckpointError("'" + file + "' is not a valid safetensors file: " + message);
}

SafetensorsHeader parse_safetensors_header(const std::string& text, std::uint64_t payload_size,
                                           const std::string& file) {
  SafetensorsHeader header = read_safetensors_json(text, file);
  refuse_duplicates(header, file);
  check_layout(header, payload_size, file);
  check_header_hash(header, text, file);
  return header;
}

std::string write_safetensors_header(const SafetensorsHeader& header) {
  FileMetadata metadata = header.metadata;
  metadata[kHeaderHashKey] = std::string(kDigits, '0');
  nlohmann::ordered_json json;
  json[kSafetensorsMetadataKey] = metadata;
  for (const TensorEntry& entry : header.entries) {
    json[entry.name] = {{"dtype", type_name(entry.type)},
                        {"shape", entry.shape},
                        {"data_offsets", {entry.offset, entry.offset + entry.bytes}}};
  }
  std::string text;
  try {
    text = json.dump();
  } catch (const nlohmann::json::exception&) {
    throw InternalError("a tensor's name or a metadata text to be written is not UTF-8");
  }
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::size_t digits_at = text.find(kHashPrefix) + kHashPrefix.size();
  text.replace(digits_at, kDigits, header_hash(text, digits_at));
  return text;
}

}  // namespace rtdetr
