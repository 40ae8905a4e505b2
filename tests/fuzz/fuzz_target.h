#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/base/error.h"

/// What the fuzz targets share. Foreign input may be refused with an Error; a broken assumption of our own
/// (InternalError), any other exception and anything a sanitizer sees is a finding.
namespace rtdetr::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

inline void expect(bool holds) {
  if (!holds) std::abort();
}

template <class Parse>
int run(Parse&& parse) {
  try {
    parse();
  } catch (const Error& refused) {
    expect(refused.code() != ExitCode::kInternal && refused.what()[0] != '\0');
  }
  return 0;
}

}  // namespace rtdetr::fuzz
