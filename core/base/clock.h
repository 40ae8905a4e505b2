#pragma once

#include <chrono>

namespace rtdetr {

/// Seconds on a clock that only runs forward; its zero means nothing.
inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace rtdetr
