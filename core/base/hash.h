#pragma once

#include "core/base/cpp20.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace rtdetr {

/// SHA-256, incremental.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  /// Lower-case hex of everything so far; the object starts afresh.
  std::string hex_digest();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rtdetr
