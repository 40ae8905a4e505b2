#include "core/image/tiff_directory.h"

#include <array>
#include <string_view>

namespace rtdetr {
namespace {

constexpr std::size_t kEntry = 12;  // tag, type, count, value
constexpr std::uint32_t kShort = 3, kLong = 4;

std::optional<std::uint32_t> value_of(std::span<const std::byte> entry, bool little, bool wide) {
  const std::uint32_t type = number_of(entry.subspan(2, 2), little);
  if (number_of(entry.subspan(4, 4), little) != 1) return {};
  if (type == kShort) return number_of(entry.subspan(8, 2), little);
  return type == kLong && wide ? std::optional(number_of(entry.subspan(8, 4), little)) : std::nullopt;
}

}  // namespace

std::uint32_t number_of(std::span<const std::byte> bytes, bool little_endian) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    value = (value << 8) | std::to_integer<std::uint32_t>(bytes[little_endian ? bytes.size() - 1 - i : i]);
  }
  return value;
}

std::optional<std::uint32_t> tiff_number(const ReadAt& read, std::uint32_t tag, bool wide) {
  std::array<std::byte, 8> head;
  if (!read(0, head)) return {};
  const std::string_view order(reinterpret_cast<const char*>(head.data()), 2);
  const bool little = order == "II";
  const std::span<const std::byte> bytes(head);
  if ((!little && order != "MM") || number_of(bytes.subspan(2, 2), little) != 42) return {};
  const std::uint64_t directory = number_of(bytes.subspan(4, 4), little);
  std::array<std::byte, 2> count;
  if (!read(directory, count)) return {};
  std::array<std::byte, kEntry> entry;
  for (std::uint64_t i = 0; i < number_of(count, little); ++i) {
    if (!read(directory + 2 + i * kEntry, entry)) return {};
    if (number_of(std::span(entry).first(2), little) == tag) return value_of(entry, little, wide);
  }
  return {};
}

}  // namespace rtdetr
