#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
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

}  // namespace rtdetr
