#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "core/base/clock.h"

namespace rtdetr {

/// The live line of work on many pictures: "1,200 of 5,000 pictures, 34.1 pictures/s, 1:51 left"; of a camera's, whose
/// end nobody knows, "1,200 frames, 34.1 frames/s".
class WorkProgress {
 public:
  /// @param total  0: without an end
  /// @param what   stands before the numbers: "evaluating: "
  /// @param unit   what is counted, in the plural
  explicit WorkProgress(std::int64_t total, std::string what = "", std::string unit = "pictures")
      : what_(std::move(what)), unit_(std::move(unit)), total_(total) {}
  /// @param done  so many so far, at least 1
  void show(std::int64_t done) const;
  std::string line(std::int64_t done, double seconds) const;
  /// {"type": "progress", "what": "evaluating", "unit": "pictures", "done", "total", "per_s", "eta_s"}; the
  /// total and the time left are null without an end
  nlohmann::ordered_json event(std::int64_t done, double seconds) const;

 private:
  struct Speed {
    double per_second = 0, seconds_left = 0;
  };
  Speed speed(std::int64_t done, double seconds) const;

  std::string what_, unit_;
  std::int64_t total_;
  Stopwatch watch_;
};

}  // namespace rtdetr
