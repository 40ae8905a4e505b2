#include "core/io/safetensors.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "core/base/check.h"
#include "core/base/error.h"
#include "core/base/hash.h"
#include "core/base/installation.h"
#include "core/base/read_ahead.h"
#include "core/io/file.h"
#include "core/io/file_kind.h"
#include "core/io/little_endian.h"
#include "core/io/read_only_file.h"
#include "core/io/safetensors_header.h"

namespace rtdetr {
namespace {

constexpr std::size_t kLengthBytes = 8;
constexpr std::uint64_t kLongestHeader = 100'000'000;
constexpr std::size_t kCachedChunk = std::size_t{256} << 10;  // is hashed before it leaves the cache
constexpr std::size_t kPartsAhead = 4;

/// Widest types first, then by name: every tensor is then aligned to its own type without gaps.
std::vector<const TensorView*> in_payload_order(std::span<const TensorView> tensors) {
  std::vector<const TensorView*> order;
  for (const TensorView& view : tensors) {
    check_size(view);
    RTDETR_CHECK(view.name != kSafetensorsMetadataKey, "a tensor cannot be named '" + view.name + "'");
    order.push_back(&view);
  }
  std::sort(order.begin(), order.end(), [](const TensorView* a, const TensorView* b) {
    const std::size_t size_a = element_size(a->type), size_b = element_size(b->type);
    return size_a != size_b ? size_a > size_b : a->name < b->name;
  });
  return order;
}

void check_size(const TensorEntry& entry, std::span<const std::byte> out) {
  RTDETR_CHECK(out.size() == entry.bytes, "tensor '" + entry.name + "' has " + std::to_string(entry.bytes) +
                                              " bytes, the buffer " + std::to_string(out.size()));
}

}  // namespace

void check_size(const TensorView& view) {
  std::size_t bytes = element_size(view.type);
  for (const std::int64_t dimension : view.shape) bytes *= static_cast<std::size_t>(dimension);
  RTDETR_CHECK(bytes == view.data.size(), "tensor '" + view.name + "' to be written has " +
                                              std::to_string(view.data.size()) + " bytes, its shape wants " +
                                              std::to_string(bytes));
}

void write_safetensors(const std::filesystem::path& file, std::span<const TensorView> tensors, FileMetadata metadata,
                       const AtomicWriteOptions& options) {
  const std::vector<const TensorView*> order = in_payload_order(tensors);
  SafetensorsHeader header;
  Sha256 hash;
  std::size_t offset = 0;
  for (const TensorView* view : order) {
    header.entries.push_back({view->name, view->type, view->shape, offset, view->data.size()});
    offset += view->data.size();
    hash.update(view->data);
  }
  header.metadata = std::move(metadata);
  header.metadata[kPayloadHashKey] = hash.hex_digest();
  const std::string text = write_safetensors_header(header);
  write_file_atomically(
      file,
      [&](FileSink& sink) {
        sink.write(little_endian_text(text.size(), kLengthBytes) + text);
        for (const TensorView* view : order) sink.write(view->data);
      },
      options);
}

struct SafetensorsReader::State {
  explicit State(ReadOnlyFile opened) : file(std::move(opened)) {}

  ReadOnlyFile file;
  std::uint64_t payload_at = 0;
  SafetensorsHeader header;
  std::vector<std::size_t> by_name;  // indices of header.entries

  [[noreturn]] void refuse(const std::string& message) const { refuse_safetensors(file.name(), message); }

  std::optional<std::string> stored_hash() const {
    const auto stored = header.metadata.find(kPayloadHashKey);
    return stored == header.metadata.end() ? std::nullopt : std::optional(stored->second);
  }
  void compare(const std::string& found, const std::string& stored) const {
    if (found != stored)
      throw CheckpointError("'" + file.name() + "' is damaged: its tensors do not match the hash stored with them");
  }

  /// Says what a file is whose header cannot be one: it must begin with '{' after its length.
  void refuse_foreign() const {
    std::byte ninth{};
    if (file.size() > kLengthBytes) file.read(kLengthBytes, std::span(&ninth, 1));
    if (ninth == std::byte{'{'}) return;
    const std::string kind = describe_foreign_model(file);
    if (kind.empty()) return;
    throw CheckpointError("'" + file.name() + "' is " + kind + ". Models with their weights are .safetensors files (" +
                          readable_page("docs/reference/checkpoints.md") + ")");
  }

  std::string read_header_text() {
    std::string length_text(kLengthBytes, '\0');
    refuse_foreign();
    if (file.size() < kLengthBytes)
      refuse("it has " + std::to_string(file.size()) + " bytes, fewer than the 8 it starts with");
    file.read(0, std::as_writable_bytes(std::span(length_text)));
    const std::uint64_t length = little_endian(length_text);
    if (length > kLongestHeader)
      refuse("it claims a header of " + std::to_string(length) + " bytes; 100,000,000 is the most");
    if (length > file.size() - kLengthBytes) {
      refuse("it claims a header of " + std::to_string(length) + " bytes, the whole file has " +
             std::to_string(file.size()) + "; it is cut off");
    }
    payload_at = kLengthBytes + length;
    std::string text(length, '\0');
    file.read(kLengthBytes, std::as_writable_bytes(std::span(text)));
    return text;
  }
};

SafetensorsReader::SafetensorsReader(const std::filesystem::path& file) : SafetensorsReader(ReadOnlyFile(file)) {}

SafetensorsReader::SafetensorsReader(ReadOnlyFile file) : state_(std::make_unique<State>(std::move(file))) {
  const std::string text = state_->read_header_text();
  state_->header = parse_safetensors_header(text, state_->file.size() - state_->payload_at, state_->file.name());
  const std::vector<TensorEntry>& entries = state_->header.entries;
  for (std::size_t i = 0; i < entries.size(); ++i) state_->by_name.push_back(i);
  std::sort(state_->by_name.begin(), state_->by_name.end(),
            [&](std::size_t a, std::size_t b) { return entries[a].name < entries[b].name; });
}

SafetensorsReader::~SafetensorsReader() = default;
SafetensorsReader::SafetensorsReader(SafetensorsReader&&) noexcept = default;
SafetensorsReader& SafetensorsReader::operator=(SafetensorsReader&&) noexcept = default;

const std::string& SafetensorsReader::name() const { return state_->file.name(); }
const std::vector<TensorEntry>& SafetensorsReader::entries() const { return state_->header.entries; }
const FileMetadata& SafetensorsReader::metadata() const { return state_->header.metadata; }

const TensorEntry* SafetensorsReader::find(const std::string& name) const {
  const std::vector<TensorEntry>& entries = state_->header.entries;
  const auto at =
      std::lower_bound(state_->by_name.begin(), state_->by_name.end(), name,
                       [&](std::size_t index, const std::string& wanted) { return entries[index].name < wanted; });
  return at != state_->by_name.end() && entries[*at].name == name ? &entries[*at] : nullptr;
}

void SafetensorsReader::read(const TensorEntry& entry, std::span<std::byte> out) const {
  check_size(entry, out);
  state_->file.read(state_->payload_at + entry.offset, out);
}

void SafetensorsReader::read_all(const std::function<std::span<std::byte>(const TensorEntry&)>& place) const {
  struct Part {
    std::uint64_t at;
    std::span<std::byte> bytes;
  };
  std::vector<Part> parts;
  for (const TensorEntry& entry : entries()) {
    std::span<std::byte> out = place(entry);
    check_size(entry, out);
    for (std::uint64_t at = state_->payload_at + entry.offset; !out.empty();) {
      parts.push_back({at, out.first(std::min(kCachedChunk, out.size()))});
      at += parts.back().bytes.size();
      out = out.subspan(parts.back().bytes.size());
    }
  }
  const auto stored = state_->stored_hash();
  ReadAhead<std::span<const std::byte>> reading(parts.size(), stored ? 1 : 0, kPartsAhead, [&](std::size_t i) {
    state_->file.read(parts[i].at, parts[i].bytes);
    return parts[i].bytes;
  });
  Sha256 hash;
  while (const auto part = reading.next()) {
    if (stored) hash.update(*part);  // while the next ones are read
  }
  if (stored) state_->compare(hash.hex_digest(), *stored);
}

void SafetensorsReader::verify_payload() const {
  const auto stored = state_->stored_hash();
  if (!stored) return;
  Sha256 hash;
  std::vector<std::byte> chunk(kCachedChunk);
  for (std::uint64_t at = state_->payload_at; at < state_->file.size();) {
    const std::size_t count = std::min<std::uint64_t>(chunk.size(), state_->file.size() - at);
    state_->file.read(at, std::span(chunk).first(count));
    hash.update(std::span(chunk).first(count));
    at += count;
  }
  state_->compare(hash.hex_digest(), *stored);
}

}  // namespace rtdetr
