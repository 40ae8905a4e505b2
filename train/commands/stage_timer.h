#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/image/picture.h"
#include "core/ops/device_memory.h"
#include "models/deploy/detector.h"

/// Milliseconds of each stage from pictures' bytes to their detections.
namespace rtdetr {

/// Of a number of repetitions.
struct Spread {
  double min = 0, p50 = 0, p95 = 0, p99 = 0;  ///< the percentiles are interpolated
};
/// @param ms  at least one
Spread spread_of(std::vector<double> ms);

/// The stages, in their order; the last is all of them together.
inline constexpr std::array kStageNames{"decode", "preprocess", "model", "postprocess", "total"};
using StageTimes = std::array<double, kStageNames.size()>;

struct EncodedPicture {
  std::string name;  ///< for messages
  std::vector<std::byte> bytes;
};
using EncodedPictures = std::vector<EncodedPicture>;

/// Sends batches through a detector, and remembers how long each stage took. The stages take turns inside every
/// repetition, so that a disturbance of the machine does not hit one of them alone.
class StageTimer {
 public:
  /// @param pictures  taken in turn; they outlive the timer
  StageTimer(Detector detector, const EncodedPictures& pictures, std::int64_t batch, const PictureLimits& limits);

  /// One repetition. The first one is remembered apart, for it is the cold one.
  void run();
  /// The next repetition is the first of those that are reported.
  void forget_warm_up() { warm_.clear(); }

  const StageTimes& first() const { return *first_; }
  Spread spread(std::size_t stage) const;
  Spread detection() const;  ///< of all stages behind decoding
  std::int64_t batch() const { return batch_; }
  const Detector& detector() const { return detector_; }

 private:
  Detector detector_;
  const EncodedPictures& pictures_;
  std::int64_t batch_;
  PictureLimits limits_;
  LoadLimit load_limit_{"a smaller batch= or imgsz= needs less"};
  std::size_t next_ = 0;
  std::optional<StageTimes> first_;
  std::vector<StageTimes> warm_;
};

/// Lets all of them run `warm_up` times and then `runs` times, in turns. @param told  called after each round
template <typename Told>
void run_in_turns(std::vector<StageTimer>& timers, std::int64_t warm_up, std::int64_t runs, Told&& told) {
  for (std::int64_t round = 0; round < warm_up + runs; ++round) {
    for (StageTimer& timer : timers) {
      if (round == warm_up) timer.forget_warm_up();
      timer.run();
    }
    told(round + 1, warm_up + runs);
  }
}

}  // namespace rtdetr
