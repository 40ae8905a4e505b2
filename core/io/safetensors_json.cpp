#include <limits>
#include <nlohmann/json.hpp>

#include "core/io/safetensors_header.h"

namespace rtdetr {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostDimensions = 64;
constexpr std::size_t kMostMetadata = 10'000;

/// Reads the header's JSON by events; the only shape accepted is
/// {"__metadata__": {text: text}, name: {"dtype": text, "shape": [n…], "data_offsets": [begin, end]}}.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(const std::string& file) : file_(file) {}

  std::vector<TensorEntry> entries;
  FileMetadata metadata;

  [[noreturn]] void refuse(const std::string& message) const { refuse_safetensors(file_, message); }

  bool start_object(std::size_t) override {
    switch (state_) {
      case State::kStart:
        state_ = State::kTop;
        break;
      case State::kTop:
        state_ = key_ == kSafetensorsMetadataKey ? State::kMetadata : State::kEntry;
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
    const std::optional<TensorType> type = tensor_type_named(name);
    if (!type)
      refuse("tensor '" + entries.back().name + "' has the type '" + name + "', which this program does not know");
    entries.back().type = *type;
  }

  /// Size = shape × type, without overflow, before anyone asks for memory.
  void finish_entry() {
    TensorEntry& entry = entries.back();
    if (!has_type_ || !has_shape_ || offset_count_ != 2) {
      refuse("tensor '" + entry.name + "' lacks its dtype, shape or data_offsets");
    }
    const std::optional<std::size_t> size = bytes_of_shape(entry.shape, element_size(entry.type));
    if (!size) refuse("the size of tensor '" + entry.name + "' overflows");
    const std::size_t bytes = *size;
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
void refuse_long_numbers(const std::string& text, const std::string& file) {
  constexpr std::size_t kMostDigits = 4096;
  std::size_t digits = 0;
  for (const char c : text) {
    digits = c >= '0' && c <= '9' ? digits + 1 : 0;
    if (digits > kMostDigits)
      refuse_safetensors(file, "its header holds a number of more than " + std::to_string(kMostDigits) + " digits");
  }
}

}  // namespace

SafetensorsHeader read_safetensors_json(const std::string& text, const std::string& file) {
  HeaderReader reader(file);
  if (text.empty() || text.front() != '{') reader.refuse("its header does not start with '{'");
  if (text.find('\0') != std::string::npos)
    reader.refuse("its header holds a NUL byte");  // the parser would stop there
  refuse_long_numbers(text, file);
  Json::sax_parse(text, &reader);
  return {std::move(reader.entries), std::move(reader.metadata)};
}

}  // namespace rtdetr
