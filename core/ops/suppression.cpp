#include "core/ops/suppression.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <unordered_map>

#include "core/base/check.h"
#include "core/base/error.h"

namespace rtdetr {
namespace {

constexpr float kClassShift = 7680;

bool is_better(const Candidate& a, const Candidate& b) {
  if (a.score != b.score) return a.score > b.score;
  return a.box != b.box ? a.box < b.box : a.label < b.label;
}

struct Corners {
  float x0, y0, x1, y1;
  float area() const { return (x1 - x0) * (y1 - y0); }
};

/// The largest float that is not above x: floats above the one are above the other.
float float_at_most(double x) {
  const auto nearest = static_cast<float>(x);
  return static_cast<double>(nearest) > x ? std::nextafter(nearest, -std::numeric_limits<float>::infinity()) : nearest;
}

/// Boxes that have been kept and suppress each other's rivals; coordinate by coordinate, for the processor to compare
/// several at once.
class KeptBoxes {
 public:
  bool overlap(const Corners& box, float iou) const {
    const float area = box.area();
    constexpr std::size_t kAtOnce = 64;
    for (std::size_t first = 0; first < areas_.size(); first += kAtOnce) {
      const std::size_t end = std::min(first + kAtOnce, areas_.size());
      int found = 0;
#pragma omp simd reduction(| : found)
      for (std::size_t i = first; i < end; ++i) {
        const float width = std::min(box.x1, x1_[i]) - std::max(box.x0, x0_[i]);
        const float height = std::min(box.y1, y1_[i]) - std::max(box.y0, y0_[i]);
        const float common = std::max(width, 0.0F) * std::max(height, 0.0F);
        found |= static_cast<int>(common / (areas_[i] + area - common) > iou);
      }
      if (found != 0) return true;
    }
    return false;
  }

  void add(const Corners& box) {
    x0_.push_back(box.x0);
    y0_.push_back(box.y0);
    x1_.push_back(box.x1);
    y1_.push_back(box.y1);
    areas_.push_back(box.area());
  }

 private:
  std::vector<float> x0_, y0_, x1_, y1_, areas_;
};

/// Puts the best of what is left in front, more each time: a picture is often full long before all are sorted.
class RankedCandidates {
 public:
  explicit RankedCandidates(std::vector<Candidate>& all) : all_(all) {}
  const Candidate& operator[](std::size_t rank) {
    while (rank >= sorted_) {
      const auto begin = all_.begin() + static_cast<std::ptrdiff_t>(sorted_);
      const std::size_t count = std::min(std::max(sorted_, kFirst), all_.size() - sorted_);
      const auto end = begin + static_cast<std::ptrdiff_t>(count);
      if (end != all_.end()) std::nth_element(begin, end, all_.end(), is_better);
      std::sort(begin, end, is_better);
      sorted_ += count;
    }
    return all_[rank];
  }

 private:
  static constexpr std::size_t kFirst = 1024;
  std::vector<Candidate>& all_;
  std::size_t sorted_ = 0;
};

/// Most rows of scores have none: they are told by comparing several at once. What is no number counts as one.
bool any_above(std::span<const float> scores, float least) {
  int found = 0;
#pragma omp simd reduction(| : found)
  for (std::size_t i = 0; i < scores.size(); ++i) found |= static_cast<int>(!(scores[i] <= least));
  return found != 0;
}

/// Which classes may be candidates.
class ClassFilter {
 public:
  ClassFilter(const std::vector<std::int64_t>& wanted, std::int64_t classes) : all_(wanted.empty()) {
    if (!all_) is_wanted_.resize(static_cast<std::size_t>(classes));
    for (const std::int64_t label : wanted) {
      RTDETR_CHECK(label >= 0 && label < classes, "class " + std::to_string(label) + " of " + std::to_string(classes));
      is_wanted_[static_cast<std::size_t>(label)] = true;
    }
  }
  bool operator()(std::size_t label) const { return all_ || is_wanted_[label]; }

 private:
  bool all_;
  std::vector<bool> is_wanted_;
};

}  // namespace

std::vector<Candidate> find_candidates(std::span<const float> scores, std::int64_t classes,
                                       const SuppressionOptions& options) {
  RTDETR_CHECK(classes > 0 && scores.size() % static_cast<std::size_t>(classes) == 0,
               std::to_string(scores.size()) + " scores of " + std::to_string(classes) + " classes");
  const ClassFilter wanted(options.classes, classes);
  const auto least = static_cast<float>(options.least_score);
  const auto count = static_cast<std::size_t>(classes);
  std::vector<Candidate> candidates;
  const auto add = [&](std::size_t box, std::size_t label, float score) {
    if (score > least && wanted(label))
      candidates.push_back({score, static_cast<std::int32_t>(box), static_cast<std::int32_t>(label)});
  };
  for (std::size_t box = 0; box * count < scores.size(); ++box) {
    const std::span<const float> row = scores.subspan(box * count, count);
    if (!any_above(row, least)) continue;
    if (std::any_of(row.begin(), row.end(), [](float score) { return std::isnan(score); }))
      throw outputs_not_finite("scores");
    if (options.every_class) {
      for (std::size_t label = 0; label < count; ++label) add(box, label, row[label]);
    } else {
      const auto best = std::max_element(row.begin(), row.end());
      add(box, static_cast<std::size_t>(best - row.begin()), *best);
    }
  }
  return candidates;
}

std::vector<Candidate> suppress(std::span<const float> boxes_xyxy, std::vector<Candidate> candidates,
                                const SuppressionOptions& options) {
  using Rivals = SuppressionOptions::Rivals;
  const float iou = float_at_most(options.iou);
  const std::size_t looked_at =
      std::min(candidates.size(), static_cast<std::size_t>(std::max<std::int64_t>(0, options.max_candidates)));
  const auto most = static_cast<std::size_t>(std::max<std::int64_t>(0, options.max_kept));
  std::unordered_map<std::int32_t, KeptBoxes> rivals;
  std::vector<Candidate> kept;
  RankedCandidates ranked(candidates);
  for (std::size_t rank = 0; rank < looked_at && kept.size() < most; ++rank) {
    const Candidate& candidate = ranked[rank];
    if (iou >= 1) {
      kept.push_back(candidate);
      continue;
    }
    const float* const box = boxes_xyxy.data() + std::size_t{4} * static_cast<std::size_t>(candidate.box);
    const float shift = options.rivals == Rivals::kShiftedClass ? static_cast<float>(candidate.label) * kClassShift : 0;
    const Corners corners{box[0] + shift, box[1] + shift, box[2] + shift, box[3] + shift};
    KeptBoxes& before = rivals[options.rivals == Rivals::kOwnClass ? candidate.label : 0];
    if (before.overlap(corners, iou)) continue;
    before.add(corners);
    kept.push_back(candidate);
  }
  return kept;
}

}  // namespace rtdetr
