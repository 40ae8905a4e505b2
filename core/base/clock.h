#pragma once

#include <chrono>
#include <utility>

namespace rtdetr {

/// Seconds on a clock that only runs forward; its zero means nothing.
inline double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Starts when it is made.
class Stopwatch {
 public:
  double seconds() const { return seconds_now() - begin_; }
  double milliseconds() const { return seconds() * 1e3; }
  /// Milliseconds, and starts anew.
  double lap() {
    const double now = seconds_now();
    return (now - std::exchange(begin_, now)) * 1e3;
  }

 private:
  double begin_ = seconds_now();
};

}  // namespace rtdetr
