#include "data/evaluation/coco_class_metric.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

// Built with -ffp-contract=off: a fused multiply-add would move an IoU across a threshold.
namespace rtdetr::metric {
namespace {

using Box = std::array<double, 4>;

bool is_usable(const Box& box) {
  return std::isfinite(box[0]) && std::isfinite(box[1]) && std::isfinite(box[2]) && std::isfinite(box[3]) &&
         box[2] > 0 && box[3] > 0;
}

bool outside(double area, int range) { return area < kAreaRanges[range][0] || area > kAreaRanges[range][1]; }

std::uint8_t areas_of(double area) {
  std::uint8_t bits = 0;
  for (int a = 0; a < kAreas; ++a) bits |= static_cast<std::uint8_t>(!outside(area, a)) << a;
  return bits;
}

std::uint8_t limit_of(std::size_t rank) {
  std::uint8_t limit = 0;
  while (rank >= kMaxDetections[limit]) ++limit;
  return limit;
}

/// Calls visit(truths of the image, detections of the image) for every image that has either, by ascending image.
template <class Visit>
void for_each_image(ImageOrder truths, ImageOrder detections, Visit&& visit) {
  const auto run = [](ImageOrder order, std::size_t from, std::uint32_t image) {
    std::size_t to = from;
    while (to < order.image.size() && order.image[to] == image) ++to;
    return to;
  };
  constexpr std::uint32_t kNone = ~std::uint32_t{0};
  for (std::size_t t = 0, d = 0; t < truths.image.size() || d < detections.image.size();) {
    const std::uint32_t image = std::min(t < truths.image.size() ? truths.image[t] : kNone,
                                         d < detections.image.size() ? detections.image[d] : kNone);
    const std::size_t t_end = run(truths, t, image), d_end = run(detections, d, image);
    visit(truths.index.subspan(t, t_end - t), detections.index.subspan(d, d_end - d));
    t = t_end;
    d = d_end;
  }
}

/// Detections of a class lie apart, so they are asked for before their turn: as many as come now, some places later.
void fetch_ahead(std::span<const MetricDetection> detections, std::span<const std::uint32_t> now,
                 const std::uint32_t* last) {
  constexpr std::ptrdiff_t kAhead = 16;
  for (const std::uint32_t& i : now) {
    if (last - &i > kAhead) __builtin_prefetch(&detections[(&i)[kAhead]]);
  }
}

}  // namespace

double iou(const Box& detection, const Box& truth, bool crowd) {
  if (!std::isfinite(truth[0] + truth[1] + truth[2] + truth[3])) return 0;
  const double w = std::min(detection[0] + detection[2], truth[0] + truth[2]) - std::max(detection[0], truth[0]);
  if (!(w > 0)) return 0;
  const double h = std::min(detection[1] + detection[3], truth[1] + truth[3]) - std::max(detection[1], truth[1]);
  if (!(h > 0)) return 0;
  const double inter = w * h;
  const double area = detection[2] * detection[3];
  const double overlap = inter / (crowd ? area : area + truth[2] * truth[3] - inter);
  return overlap > 0 ? overlap : 0;
}

const std::array<double, kThresholds>& iou_thresholds() {
  static const auto values = [] {
    std::array<double, kThresholds> t{};
    const double step = (0.95 - 0.5) / 9;
    for (int i = 0; i < kThresholds; ++i) t[i] = 0.5 + i * step;
    t.back() = 0.95;
    return t;
  }();
  return values;
}

const std::array<double, kRecalls>& recall_points() {
  static const auto values = [] {
    std::array<double, kRecalls> r{};
    const double step = 1.0 / 100;
    for (int i = 0; i < kRecalls; ++i) r[i] = i * step;
    r.back() = 1.0;
    return r;
  }();
  return values;
}

void ClassEvaluator::evaluate(std::span<const MetricTruth> truths, ImageOrder truth_order,
                              std::span<const MetricDetection> detections, ImageOrder detection_order,
                              ClassCurves& curves) {
  plain_.clear();
  candidates_.clear();
  position_ = 0;
  truths_ = {};
  unusable_ = 0;
  const std::uint32_t* const last = detection_order.index.data() + detection_order.index.size();
  for_each_image(truth_order, detection_order, [&](auto image_truths, auto image_detections) {
    fetch_ahead(detections, image_detections, last);
    add_image(truths, image_truths, detections, image_detections);
  });
  std::sort(candidates_.begin(), candidates_.end(),
            [](const Candidate& a, const Candidate& b) { return a.place < b.place; });
  count_plain_before_candidates();
  draw_curves(curves);
  curves.truths = truths_;
  curves.unusable_boxes = unusable_;
}

/// Splits the image's best detections into candidates, which are matched, and plain ones.
void ClassEvaluator::add_image(std::span<const MetricTruth> truths, std::span<const std::uint32_t> image_truths,
                               std::span<const MetricDetection> detections,
                               std::span<const std::uint32_t> image_detections) {
  for (const std::uint32_t t : image_truths) {
    for (int a = 0; a < kAreas; ++a) truths_[a] += !truths[t].crowd && !outside(truths[t].area, a);
  }
  sorted_.assign(image_detections.begin(), image_detections.end());
  const auto better = [&](std::uint32_t a, std::uint32_t b) {
    return detections[a].score > detections[b].score || (detections[a].score == detections[b].score && a < b);
  };
  if (!std::is_sorted(sorted_.begin(), sorted_.end(), better)) std::sort(sorted_.begin(), sorted_.end(), better);
  if (sorted_.size() > kMaxDetections.back()) sorted_.resize(kMaxDetections.back());

  const std::size_t first_candidate = candidates_.size();
  const std::size_t truth_count = image_truths.size();
  candidate_areas_.clear();
  ious_.resize(sorted_.size() * truth_count);
  for (std::size_t rank = 0; rank < sorted_.size(); ++rank) {
    const MetricDetection& detection = detections[sorted_[rank]];
    const Place place{detection.score, position_++};
    const std::uint8_t areas = areas_of(detection.box_xywh[2] * detection.box_xywh[3]);
    const bool usable = is_usable(detection.box_xywh);
    unusable_ += !usable;
    double* row = ious_.data() + candidate_areas_.size() * truth_count;
    double best = 0;
    for (std::size_t g = 0; usable && g < truth_count; ++g) {
      const MetricTruth& truth = truths[image_truths[g]];
      row[g] = iou(detection.box_xywh, truth.box_xywh, truth.crowd);
      best = std::max(best, row[g]);
    }
    if (best < iou_thresholds().front()) {
      plain_.push_back({place, limit_of(rank), areas});
    } else {
      candidates_.push_back({place, limit_of(rank), {}, {}});
      candidate_areas_.push_back(areas);
    }
  }
  match(truths, image_truths, std::span(candidates_).subspan(first_candidate), candidate_areas_);
}

/// pycocotools' greedy matching, for every area range and threshold on its own.
void ClassEvaluator::match(std::span<const MetricTruth> truths, std::span<const std::uint32_t> image_truths,
                           std::span<Candidate> candidates, std::span<const std::uint8_t> areas) {
  if (candidates.empty()) return;
  const std::size_t count = image_truths.size();
  if (count == 1 && !truths[image_truths[0]].crowd) return match_one(truths[image_truths[0]], candidates, areas);
  truth_order_.resize(count);
  truth_ignored_.resize(count);
  for (int a = 0; a < kAreas; ++a) {
    for (std::size_t g = 0; g < count; ++g) {
      const MetricTruth& truth = truths[image_truths[g]];
      truth_ignored_[g] = truth.crowd || outside(truth.area, a);
    }
    std::iota(truth_order_.begin(), truth_order_.end(), 0u);
    std::stable_partition(truth_order_.begin(), truth_order_.end(),
                          [&](std::uint32_t g) { return !truth_ignored_[g]; });
    for (int t = 0; t < kThresholds; ++t) {
      truth_taken_.assign(count, 0);
      for (std::size_t c = 0; c < candidates.size(); ++c) {
        const double* row = ious_.data() + c * count;
        double best = std::min(iou_thresholds()[t], 1 - 1e-10);
        constexpr std::uint32_t kNone = ~std::uint32_t{0};
        std::uint32_t found = kNone;
        for (const std::uint32_t g : truth_order_) {
          if (truth_taken_[g] && !truths[image_truths[g]].crowd) continue;
          if (found != kNone && !truth_ignored_[found] && truth_ignored_[g]) break;
          if (row[g] < best) continue;
          best = row[g];
          found = g;
        }
        const auto bit = static_cast<std::uint16_t>(1u << t);
        const bool inside = (areas[c] >> a) & 1;
        bool hit = false;
        bool ignored = !inside;
        if (found != kNone) {
          truth_taken_[found] = 1;
          // A match is remembered by the annotation's id, and 0 means none: pycocotools' figure, kept.
          hit = truths[image_truths[found]].annotation_id != 0;
          ignored = truth_ignored_[found] || (!hit && !inside);
        }
        if (ignored) candidates[c].ignored[a] |= bit;
        if (hit && !ignored) candidates[c].hit[a] |= bit;
      }
    }
  }
}

/// The same where the image has one box of the class: each threshold's goes to the best candidate that reaches it.
void ClassEvaluator::match_one(const MetricTruth& truth, std::span<Candidate> candidates,
                               std::span<const std::uint8_t> areas) {
  constexpr auto kAll = static_cast<std::uint16_t>((1u << kThresholds) - 1);
  std::uint16_t taken = 0;
  for (std::size_t c = 0; c < candidates.size(); ++c) {
    std::uint16_t matched = 0;
    for (int t = 0; t < kThresholds; ++t) {
      matched |= static_cast<std::uint16_t>(ious_[c] >= std::min(iou_thresholds()[t], 1 - 1e-10)) << t;
    }
    matched &= static_cast<std::uint16_t>(~taken);
    taken |= matched;
    const std::uint16_t hit = truth.annotation_id != 0 ? matched : std::uint16_t{0};  // 0 means none there, too
    for (int a = 0; a < kAreas; ++a) {
      const std::uint16_t uncounted = outside(truth.area, a) ? matched : std::uint16_t{0};
      const std::uint16_t missed = (areas[c] >> a) & 1 ? std::uint16_t{0} : static_cast<std::uint16_t>(kAll & ~hit);
      candidates[c].ignored[a] = uncounted | missed;
      candidates[c].hit[a] = hit & static_cast<std::uint16_t>(~uncounted);
    }
  }
}

void ClassEvaluator::count_plain_before_candidates() {
  plain_before_.assign(candidates_.size() + 1, {});
  places_.clear();
  for (const Candidate& candidate : candidates_) places_.push_back(candidate.place);
  for (const Plain& plain : plain_) {
    const auto at = std::lower_bound(places_.begin(), places_.end(), plain.place);
    auto& counts = plain_before_[static_cast<std::size_t>(at - places_.begin())][plain.limit];
    for (int a = 0; a < kAreas; ++a) counts[a] += (plain.areas >> a) & 1;
  }
  for (std::size_t c = 0; c < plain_before_.size(); ++c) {
    for (int a = 0; a < kAreas; ++a) {
      for (int m = 1; m < kLimits; ++m) plain_before_[c][m][a] += plain_before_[c][m - 1][a];
      for (int m = 0; m < kLimits && c > 0; ++m) plain_before_[c][m][a] += plain_before_[c - 1][m][a];
    }
  }
}

void ClassEvaluator::draw_curves(ClassCurves& curves) {
  constexpr double kEpsilon = std::numeric_limits<double>::epsilon();  // numpy's spacing(1)
  for (int a = 0; a < kAreas; ++a) {
    const auto truths = static_cast<double>(truths_[a]);
    for (int m = 0; m < kLimits; ++m) {
      for (int t = 0; t < kThresholds; ++t) {
        if (truths_[a] == 0) {
          curves.recall[t][a][m] = -1;
          for (auto& point : curves.precision[t]) point[a][m] = -1;
          continue;
        }
        envelope_.clear();
        double false_candidates = 0;
        for (std::size_t c = 0; c < candidates_.size(); ++c) {
          const Candidate& candidate = candidates_[c];
          if (candidate.limit > m || (candidate.ignored[a] >> t) & 1) continue;
          if (!((candidate.hit[a] >> t) & 1)) {
            ++false_candidates;
            continue;
          }
          const auto hits = static_cast<double>(envelope_.size() + 1);
          envelope_.push_back(hits / (false_candidates + plain_before_[c][m][a] + hits + kEpsilon));
        }
        for (std::size_t k = envelope_.size(); k-- > 1;) envelope_[k - 1] = std::max(envelope_[k - 1], envelope_[k]);
        curves.recall[t][a][m] = static_cast<double>(envelope_.size()) / truths;
        std::size_t k = 0;
        for (int r = 0; r < kRecalls; ++r) {
          while (k < envelope_.size() && static_cast<double>(k + 1) / truths < recall_points()[r]) ++k;
          curves.precision[t][r][a][m] = k < envelope_.size() ? envelope_[k] : 0;
        }
      }
    }
  }
}

}  // namespace rtdetr::metric
