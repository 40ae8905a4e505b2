#include "train/commands/stage_timer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/clock.h"

namespace rtdetr {

namespace {

/// Value below which a share of the sorted times lies.
double percentile(const std::vector<double>& sorted, double share) {
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(std::floor(position));
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - std::floor(position)) * (sorted[above] - sorted[below]);
}

}  // namespace

Spread spread_of(std::vector<double> ms) {
  std::sort(ms.begin(), ms.end());
  return {ms.front(), percentile(ms, 0.5), percentile(ms, 0.95), percentile(ms, 0.99)};
}

StageTimer::StageTimer(Detector detector, const EncodedPictures& pictures, std::int64_t batch,
                       const PictureLimits& limits)
    : detector_(std::move(detector)), pictures_(pictures), batch_(batch), limits_(limits) {}

void StageTimer::run() {
  const Stopwatch watch;
  std::vector<Picture> pictures;
  for (std::int64_t i = 0; i < batch_; ++i) {
    const EncodedPicture& next = pictures_[next_++ % pictures_.size()];
    pictures.push_back(decode_picture(next.bytes, next.name, limits_, detector_.enough_pixels()));
  }
  const double decode_ms = watch.milliseconds();
  const std::vector<RgbView> views(pictures.begin(), pictures.end());
  DetectionTimes times;
  const PictureLoad load{batch_, detector_.input_height(), detector_.input_width()};
  load_limit_.run(load, [&] { return detector_.detect(views, &times); });
  const StageTimes taken{decode_ms, times.preprocess_ms, times.model_ms, times.postprocess_ms, watch.milliseconds()};
  if (!first_) first_ = taken;
  warm_.push_back(taken);
}

Spread StageTimer::spread(std::size_t stage) const {
  std::vector<double> ms;
  for (const StageTimes& times : warm_) ms.push_back(times[stage]);
  return spread_of(std::move(ms));
}

Spread StageTimer::detection() const {
  std::vector<double> ms;
  for (const StageTimes& times : warm_) ms.push_back(times.back() - times.front());
  return spread_of(std::move(ms));
}

}  // namespace rtdetr
