#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace rtdetr {

// Weights are copied from files as they lie there.
static_assert(std::endian::native == std::endian::little, "files of weights are little-endian, and so must the CPU be");

/// The unsigned number that up to 8 bytes spell, lowest byte first.
inline std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t number = 0;
  std::memcpy(&number, bytes.data(), bytes.size() < sizeof(number) ? bytes.size() : sizeof(number));
  return number;
}

/// The lowest `bytes` bytes of the number, lowest first.
inline std::string little_endian_text(std::uint64_t number, std::size_t bytes) {
  return std::string(reinterpret_cast<const char*>(&number), bytes);
}

}  // namespace rtdetr
