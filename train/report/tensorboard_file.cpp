#include "train/report/tensorboard_file.h"

#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>

#include "core/base/error.h"
#include "core/io/file.h"

/// The format: records of a length, its checksum, bytes and theirs (TFRecord), each an Event message of protocol
/// buffers (tensorflow/core/util/event.proto: wall_time = 1, step = 2, file_version = 3, summary = 5; its values = 1
/// with tag = 1 and simple_value = 2). Numbers are little-endian, as every processor that this program runs on has
/// them.
namespace rtdetr {
namespace {

/// CRC-32C, rotated and moved as TFRecord wants it.
std::uint32_t masked_checksum(std::string_view bytes) {
  constexpr std::uint32_t kCastagnoli = 0x82F63B78U, kMask = 0xA282EAD8U;
  static const auto table = [] {
    std::array<std::uint32_t, 256> entries{};
    for (std::uint32_t n = 0; n < entries.size(); ++n) {
      std::uint32_t value = n;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1U) ^ ((value & 1U) != 0 ? kCastagnoli : 0U);
      entries[n] = value;
    }
    return entries;
  }();
  std::uint32_t crc = ~0U;
  for (const char c : bytes) crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xFFU] ^ (crc >> 8U);
  return std::rotr(~crc, 15) + kMask;
}

template <typename T>
std::string raw(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

std::string varint(std::uint64_t value) {
  constexpr std::uint64_t kMore = 0x80;
  std::string bytes;
  for (; value >= kMore; value >>= 7U) bytes += static_cast<char>((value & (kMore - 1)) | kMore);
  return bytes + static_cast<char>(value);
}

enum class Wire : unsigned { kVarint = 0, kDouble = 1, kBytes = 2, kFloat = 5 };

std::string tag(unsigned field, Wire wire) { return varint((field << 3U) | static_cast<unsigned>(wire)); }
std::string bytes_field(unsigned field, const std::string& bytes) {
  return tag(field, Wire::kBytes) + varint(bytes.size()) + bytes;
}

std::string record(const std::string& event) {
  const std::string length = raw(static_cast<std::uint64_t>(event.size()));
  return length + raw(masked_checksum(length)) + event + raw(masked_checksum(event));
}

constexpr std::size_t kTimeInFile = 8 + 4 + 1;  // behind the first record's length, its checksum and wall_time's tag

std::string first_record(double begin) {
  return record(tag(1, Wire::kDouble) + raw(begin) + bytes_field(3, "brain.Event:2"));
}

/// One row of the table: all its curves at one step.
std::string row_record(const ResultsTable& table, std::size_t row, double begin) {
  const std::vector<double>*steps = table.find(kStepTitle), *epochs = table.find("epoch"), *times = table.find("time");
  const std::vector<double>* places = steps != nullptr ? steps : epochs;
  std::string values;
  for (std::size_t c = 0; c < table.titles.size(); ++c) {
    const double value = table.columns[c][row];
    const bool is_place = &table.columns[c] == steps || &table.columns[c] == epochs || &table.columns[c] == times;
    if (is_place || std::isnan(value)) continue;
    values += bytes_field(1, bytes_field(1, table.titles[c]) + tag(2, Wire::kFloat) + raw(static_cast<float>(value)));
  }
  const double time = begin + (times != nullptr ? (*times)[row] : 0);
  const auto place = places != nullptr ? static_cast<std::uint64_t>((*places)[row]) : row;
  return record(tag(1, Wire::kDouble) + raw(time) + tag(2, Wire::kVarint) + varint(place) + bytes_field(5, values));
}

double seconds_since_epoch() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// When the run began, as the file says, or as a run of so many seconds would have.
double begin_of(const std::string& present, const ResultsTable& table) {
  if (present.size() >= first_record(0).size()) {
    double begin = 0;
    std::memcpy(&begin, present.data() + kTimeInFile, sizeof begin);
    if (present.starts_with(first_record(begin))) return begin;
  }
  const std::vector<double>* times = table.find("time");
  return seconds_since_epoch() - (times != nullptr ? times->back() : 0);
}

}  // namespace

void update_tensorboard_file(const ResultsTable& table, const std::filesystem::path& file) {
  if (table.columns.empty() || table.columns.front().empty()) return;
  const std::string present = std::filesystem::exists(file) ? read_text_file(file) : "";
  const double begin = begin_of(present, table);
  std::string whole = first_record(begin);
  for (std::size_t row = 0; row < table.columns.front().size(); ++row) whole += row_record(table, row, begin);
  if (present.empty() || !whole.starts_with(present)) return write_text_atomically(file, whole);
  std::ofstream out(file, std::ios::binary | std::ios::app);
  out.write(whole.data() + present.size(), static_cast<std::streamsize>(whole.size() - present.size()));
  if (!out.flush()) throw IoError(file.string() + ": cannot be written to the end");
}

}  // namespace rtdetr
