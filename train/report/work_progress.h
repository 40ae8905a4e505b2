#pragma once

#include <cstdint>
#include <string>

#include "core/base/clock.h"

namespace rtdetr {

/// The live line of work on many pictures: "1,200 of 5,000 pictures, 34.1 pictures/s, 1:51 left".
class WorkProgress {
 public:
  /// @param what  stands before the numbers: "evaluating: "
  explicit WorkProgress(std::int64_t total, std::string what = "") : what_(std::move(what)), total_(total) {}
  /// @param done  pictures so far, at least 1
  void show(std::int64_t done) const;
  std::string line(std::int64_t done, double seconds) const;

 private:
  std::string what_;
  std::int64_t total_;
  Stopwatch watch_;
};

}  // namespace rtdetr
