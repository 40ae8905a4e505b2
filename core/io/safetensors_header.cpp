#include "core/io/safetensors_header.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/io/error.h"
#include "core/io/hash.h"

namespace rtdetr {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostDimensions = 64;
constexpr std::size_t kMostMetadata = 10'000;
constexpr const char* kMetadataKey = "__metadata__";

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

/// Reads the header's JSON by events; the only shape accepted is
/// {"__metadata__": {text: text}, name: {"dtype": text, "shape": [n…], "data_offsets": [begin, end]}}.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(const std::string& file) : file_(file) {}

  std::vector<TensorEntry> entries;
  FileMetadata metadata;

  [[noreturn]] void refuse(const std::string& message) const {
    throw CheckpointError("'" + file_ + "' is not a valid safetensors file: " + message);
  }

  bool start_object(std::size_t) override {
    switch (state_) {
      case State::kStart:
        state_ = State::kTop;
        break;
      case State::kTop:
        state_ = key_ == kMetadataKey ? State::kMetadata : State::kEntry;
        if (state_ == State::kMetadata && has_metadata_) refuse("two entries named '__metadata__'");
        if (state_ == State::kMetadata) has_metadata_ = true;
        if (state_ == State::kEntry) begin_entry();
        break;
      default:
        unexpected("an object");
    }
    return true;
  }

  bool end_object() override {
    if (state_ == State::kEntry) finish_entry();
    state_ = state_ == State::kTop ? State::kEnd : State::kTop;
    return true;
  }

  bool key(std::string& text) override {
    key_ = std::move(text);
    return true;
  }

  bool string(std::string& text) override {
    if (state_ == State::kMetadata) {
      if (metadata.size() == kMostMetadata) refuse("more than " + std::to_string(kMostMetadata) + " metadata entries");
      if (!metadata.emplace(key_, std::move(text)).second) refuse("metadata '" + key_ + "' is there twice");
    } else if (state_ == State::kEntry && key_ == "dtype") {
      if (has_type_) refuse_twice();
      has_type_ = true;
      set_type(text);
    } else {
      unexpected("text");
    }
    return true;
  }

  bool start_array(std::size_t) override {
    if (state_ != State::kEntry || (key_ != "shape" && key_ != "data_offsets")) unexpected("a list");
    bool& seen = key_ == "shape" ? has_shape_ : has_offsets_;
    if (seen) refuse_twice();
    seen = true;
    state_ = key_ == "shape" ? State::kShape : State::kOffsets;
    return true;
  }

  bool end_array() override {
    state_ = State::kEntry;
    return true;
  }

  bool number_unsigned(std::uint64_t number) override {
    TensorEntry* entry = entries.empty() ? nullptr : &entries.back();
    if (state_ == State::kShape) {
      if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        refuse("tensor '" + entry->name + "' has a dimension of " + std::to_string(number));
      }
      if (entry->shape.size() == kMostDimensions) {
        refuse("tensor '" + entry->name + "' has more than " + std::to_string(kMostDimensions) + " dimensions");
      }
      entry->shape.push_back(static_cast<std::int64_t>(number));
    } else if (state_ == State::kOffsets) {
      if (offset_count_ == 2) refuse("tensor '" + entry->name + "' has more than two data_offsets");
      offsets_[offset_count_++] = number;
    } else {
      unexpected("a number");
    }
    return true;
  }

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a truth value"); }
  bool number_integer(std::int64_t) override { return unexpected("a negative number"); }
  bool number_float(double, const std::string&) override { return unexpected("a fraction or too large a number"); }
  bool binary(binary_t&) override { return unexpected("binary data"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    refuse("its header is not JSON at byte " + std::to_string(position + 8));
  }

 private:
  enum class State { kStart, kTop, kMetadata, kEntry, kShape, kOffsets, kEnd };

  [[noreturn]] bool unexpected(const std::string& what) const {
    refuse("its header has " + what + " where none belongs, at '" + key_ + "'");
  }
  [[noreturn]] void refuse_twice() const { refuse("tensor '" + entries.back().name + "' has '" + key_ + "' twice"); }

  void begin_entry() {
    entries.emplace_back();
    entries.back().name = key_;
    has_type_ = has_shape_ = has_offsets_ = false;
    offset_count_ = 0;
  }

  void set_type(const std::string& name) {
    for (const TypeInfo& known : kTypes) {
      if (name == known.name) {
        entries.back().type = known.type;
        return;
      }
    }
    refuse("tensor '" + entries.back().name + "' has the type '" + name + "', which this program does not know");
  }

  /// Size = shape × type, without overflow, before anyone asks for memory.
  void finish_entry() {
    TensorEntry& entry = entries.back();
    if (!has_type_ || !has_shape_ || offset_count_ != 2) {
      refuse("tensor '" + entry.name + "' lacks its dtype, shape or data_offsets");
    }
    std::uint64_t bytes = element_size(entry.type);
    for (const std::int64_t dimension : entry.shape) {
      if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(dimension), &bytes)) {
        refuse("the size of tensor '" + entry.name + "' overflows");
      }
    }
    if (offsets_[1] < offsets_[0] || offsets_[1] - offsets_[0] != bytes) {
      refuse("tensor '" + entry.name + "' needs " + std::to_string(bytes) +
             " bytes for its shape, its data_offsets are " + std::to_string(offsets_[0]) + " to " +
             std::to_string(offsets_[1]));
    }
    entry.offset = offsets_[0];
    entry.bytes = bytes;
  }

  const std::string& file_;
  State state_ = State::kStart;
  std::string key_;
  bool has_metadata_ = false;
  bool has_type_ = false, has_shape_ = false, has_offsets_ = false;
  std::uint64_t offsets_[2] = {};
  int offset_count_ = 0;
};

/// The JSON parser keeps several copies of the number it reads; one of a hundred million digits is not worth that.
void refuse_long_numbers(const HeaderReader& reader, const std::string& text) {
  constexpr std::size_t kMostDigits = 4096;
  std::size_t digits = 0;
  for (const char c : text) {
    digits = c >= '0' && c <= '9' ? digits + 1 : 0;
    if (digits > kMostDigits)
      reader.refuse("its header holds a number of more than " + std::to_string(kMostDigits) + " digits");
  }
}

void refuse_duplicates(const HeaderReader& reader) {
  std::vector<const std::string*> names;
  for (const TensorEntry& entry : reader.entries) names.push_back(&entry.name);
  std::sort(names.begin(), names.end(), [](const auto* a, const auto* b) { return *a < *b; });
  const auto twin =
      std::adjacent_find(names.begin(), names.end(), [](const auto* a, const auto* b) { return *a == *b; });
  if (twin != names.end()) reader.refuse("two tensors are named '" + **twin + "'");
}

/// Tensors must lie end to end from the first payload byte to the last.
void check_layout(HeaderReader& reader, std::uint64_t payload_size) {
  std::sort(reader.entries.begin(), reader.entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return a.offset != b.offset ? a.offset < b.offset : a.bytes < b.bytes;
  });
  std::uint64_t end = 0;
  for (const TensorEntry& entry : reader.entries) {
    if (entry.offset != end) {
      reader.refuse("tensor '" + entry.name + "' starts at byte " + std::to_string(entry.offset) +
                    " of the payload, not at " + std::to_string(end) + " where the one before it ends");
    }
    end += entry.bytes;
  }
  if (end != payload_size) {
    reader.refuse("its tensors take " + std::to_string(end) + " bytes, the file holds " + std::to_string(payload_size) +
                  (end > payload_size ? "; it is cut off" : ""));
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
void check_header_hash(const HeaderReader& reader, const std::string& text) {
  const auto stored = reader.metadata.find(kHeaderHashKey);
  const bool has_header_hash = stored != reader.metadata.end();
  if (has_header_hash != reader.metadata.contains(kPayloadHashKey)) {
    reader.refuse(std::string("it has only one of '") + kHeaderHashKey + "' and '" + kPayloadHashKey +
                  "'; it is damaged");
  }
  if (!has_header_hash) return;
  const std::size_t at = text.find(kHashPrefix);
  const bool found = at != std::string::npos && stored->second.size() == kDigits;
  if (!found || header_hash(text, at + kHashPrefix.size()) != stored->second) {
    reader.refuse("its header does not match its hash; it is damaged");
  }
}

}  // namespace

std::size_t element_size(TensorType type) { return info(type).size; }
const char* type_name(TensorType type) { return info(type).name; }

SafetensorsHeader parse_safetensors_header(const std::string& text, std::uint64_t payload_size,
                                           const std::string& file) {
  HeaderReader reader(file);
  if (text.empty() || text.front() != '{') reader.refuse("its header does not start with '{'");
  refuse_long_numbers(reader, text);
  if (text.find('\0') != std::string::npos)
    reader.refuse("its header holds a NUL byte");  // the parser would stop there
  Json::sax_parse(text, &reader);
  refuse_duplicates(reader);
  check_layout(reader, payload_size);
  check_header_hash(reader, text);
  return {std::move(reader.entries), std::move(reader.metadata)};
}

std::string write_safetensors_header(const SafetensorsHeader& header) {
  FileMetadata metadata = header.metadata;
  metadata[kHeaderHashKey] = std::string(kDigits, '0');
  nlohmann::ordered_json json;
  json[kMetadataKey] = metadata;
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
