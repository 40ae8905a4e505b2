#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/io/safetensors.h"

namespace rtdetr::test {

/// The reference numbers, tests/fixtures/README.md; RTDETR_FIXTURES names their folder where the sources are not.
inline const std::filesystem::path kFixtures = [] {
  const char* named = std::getenv("RTDETR_FIXTURES");
  return named ? std::filesystem::path(named) : std::filesystem::path(RTDETR_SOURCE_DIR) / "tests/fixtures";
}();

/// A tensor's values without LibTorch. Fails the test if there is none of that name.
template <typename T>
std::vector<T> values_of(const SafetensorsReader& reader, const std::string& name) {
  const TensorEntry* entry = reader.find(name);
  REQUIRE(entry);
  std::vector<T> values(entry->bytes / sizeof(T));
  reader.read(*entry, std::as_writable_bytes(std::span(values)));
  return values;
}

}  // namespace rtdetr::test
