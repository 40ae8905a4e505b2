#include "data/evaluation/error_split.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "data/dataset/id_index.h"
#include "data/evaluation/coco_class_metric.h"

// Built with -ffp-contract=off: a fused multiply-add would move an IoU across a threshold.
namespace rtdetr {
namespace {

constexpr double kHitIou = 0.5, kBackgroundIou = 0.1;
constexpr std::size_t kMostOfPicture = 100;  // of a picture

/// What a precision-recall curve is made of.
struct RankedMatch {
  std::uint32_t label = 0;
  double score = 0;
  bool hit = false;
};

struct JudgedTruth {
  std::array<double, 4> xywh{};
  std::uint32_t label = 0;
  bool crowd = false;
  bool taken = false;   ///< by a detection that hits it
  bool mended = false;  ///< by a detection that would hit it, were its error mended
};

struct JudgedDetection {
  std::array<double, 4> xywh{};
  std::uint32_t label = 0;
  double score = 0;
  bool hit = false, ignored = false;
};

struct JudgedError {
  ErrorSplit::Kind kind = ErrorSplit::kBoth;
  RankedMatch as_it_is;
  bool counts = true;        ///< false for what a crowd forgives
  bool hits_mended = false;  ///< mended it is a hit of `mended_label`, else it is gone
  std::uint32_t mended_label = 0;
};

struct JudgedImage {
  std::vector<JudgedTruth> truths;
  std::vector<JudgedDetection> found;
};

/// TIDE's: the mean of the precision, from its best on, at 101 points of recall. @param points  by descending score
double average_precision(std::span<const RankedMatch> points, std::int64_t truths) {
  if (truths <= 0) return 0;
  std::vector<double> precision, recall;
  precision.reserve(points.size());
  recall.reserve(points.size());
  double hits = 0;
  for (const RankedMatch& point : points) {
    hits += point.hit;
    precision.push_back(hits / static_cast<double>(precision.size() + 1));
    recall.push_back(hits / static_cast<double>(truths));
  }
  for (std::size_t i = precision.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
  double sum = 0;
  constexpr int kSteps = 100;
  for (int step = 0; step <= kSteps; ++step) {
    const auto at = std::lower_bound(recall.begin(), recall.end(), static_cast<double>(step) / kSteps);
    if (at != recall.end()) sum += precision[static_cast<std::size_t>(at - recall.begin())];
  }
  return sum / (kSteps + 1);
}

/// Over the classes that have a point or a truth. Points of one score stay in their order.
double mean_average_precision(std::vector<RankedMatch> points, std::span<const std::int64_t> truths) {
  std::stable_sort(points.begin(), points.end(), [](const RankedMatch& a, const RankedMatch& b) {
    return a.label != b.label ? a.label < b.label : a.score > b.score;
  });
  double sum = 0;
  std::int64_t classes = 0;
  for (std::size_t k = 0, from = 0; k < truths.size(); ++k) {
    std::size_t to = from;
    while (to < points.size() && points[to].label == k) ++to;
    if (to > from || truths[k] > 0) {
      sum += average_precision(std::span(points).subspan(from, to - from), truths[k]);
      ++classes;
    }
    from = to;
  }
  return classes > 0 ? sum / static_cast<double>(classes) : 0;
}

class ErrorSplitter {
 public:
  ErrorSplitter(const MetricInput& input, std::span<const MetricDetection> detections) {
    // As the metric's input lists them: what scores alike keeps that order.
    const IdIndex ids(input.image_ids), categories(input.category_ids);
    constexpr auto kNew = static_cast<std::size_t>(-1);
    std::vector<std::size_t> place(ids.size(), kNew);
    for (const std::int64_t id : input.image_ids) {
      if (std::size_t& at = place[ids.find(id)]; at == kNew) {
        at = images_.size();
        images_.emplace_back();
      }
    }
    truths_.assign(categories.size(), 0);
    hits_.assign(categories.size(), 0);
    missed_.assign(categories.size(), 0);
    const auto image_of = [&](std::int64_t image_id, std::int64_t category_id) -> JudgedImage* {
      const std::uint32_t image = ids.find(image_id);
      const bool listed = image != IdIndex::kNone && categories.find(category_id) != IdIndex::kNone;
      return listed ? &images_[place[image]] : nullptr;
    };
    for (const MetricTruth& truth : input.truths) {
      JudgedImage* image = image_of(truth.image_id, truth.category_id);
      if (image) image->truths.push_back({truth.box_xywh, categories.find(truth.category_id), truth.crowd});
    }
    for (const MetricDetection& found : detections) {
      JudgedImage* image = image_of(found.image_id, found.category_id);
      if (image) image->found.push_back({found.box_xywh, categories.find(found.category_id), found.score});
    }
    for (JudgedImage& image : images_) judge(image);
  }

  ErrorSplit split() const {
    ErrorSplit split;
    split.ap50 = mean_average_precision(points_, truths_);
    for (const JudgedError& fault : faults_) ++split.count[fault.kind];
    split.count[ErrorSplit::kMissed] = std::accumulate(missed_.begin(), missed_.end(), std::int64_t{0});
    for (std::size_t kind = 0; kind < ErrorSplit::kKinds; ++kind) {
      const double mended = mend(static_cast<ErrorSplit::Kind>(kind));
      split.cost[kind] = std::max(mended - split.ap50, 0.0);  // less comes of the curve's 101 points alone
    }
    std::vector<RankedMatch> points = unmended_points();
    split.false_negatives = mean_average_precision(points, hits_) - split.ap50;
    for (RankedMatch& point : points) point.score = point.hit;
    split.false_positives = mean_average_precision(std::move(points), truths_) - split.ap50;
    return split;
  }

 private:
  void judge(JudgedImage& image) {
    std::stable_sort(image.found.begin(), image.found.end(),
                     [](const JudgedDetection& a, const JudgedDetection& b) { return a.score > b.score; });
    if (image.found.size() > kMostOfPicture) image.found.resize(kMostOfPicture);
    std::erase_if(image.truths, [&](const JudgedTruth& truth) {
      if (truth.crowd) crowds_.push_back(truth);
      return truth.crowd;
    });
    const std::size_t truths = image.truths.size();
    ious_.resize(image.found.size() * truths);
    for (std::size_t f = 0; f < image.found.size(); ++f) {
      for (std::size_t t = 0; t < truths; ++t)
        ious_[f * truths + t] = metric::iou(image.found[f].xywh, image.truths[t].xywh, false);
    }
    match(image);
    for (std::size_t f = 0; f < image.found.size(); ++f) note(image, f);
    for (const JudgedTruth& truth : image.truths) {
      ++truths_[truth.label];
      hits_[truth.label] += truth.taken;
      missed_[truth.label] += !truth.taken && !truth.mended;
    }
    crowds_.clear();
  }

  /// In the order of the scores, each takes the free box of its class that it overlaps most.
  void match(JudgedImage& image) const {
    const std::size_t truths = image.truths.size();
    for (std::size_t f = 0; f < image.found.size(); ++f) {
      JudgedDetection& found = image.found[f];
      double best = 0;
      JudgedTruth* partner = nullptr;
      for (std::size_t t = 0; t < truths; ++t) {
        JudgedTruth& truth = image.truths[t];
        const double iou = ious_[f * truths + t];
        if (truth.label != found.label || truth.taken || iou <= best) continue;
        best = iou;
        partner = &truth;
      }
      found.hit = best >= kHitIou;
      if (found.hit) partner->taken = true;
      for (const JudgedTruth& crowd : crowds_) {
        if (!found.hit && crowd.label == found.label && metric::iou(found.xywh, crowd.xywh, true) > kHitIou)
          found.ignored = true;
      }
    }
  }

  void note(JudgedImage& image, std::size_t f) {
    const JudgedDetection& found = image.found[f];
    const RankedMatch point{found.label, found.score, found.hit};
    if (!found.ignored) points_.push_back(point);
    if (found.hit) return;
    faults_.push_back(fault_of(image, f));
    faults_.back().as_it_is = point;
    faults_.back().counts = !found.ignored;
  }

  /// TIDE's order of questions. Of equal overlaps the first is the best.
  JudgedError fault_of(JudgedImage& image, std::size_t f) const {
    const std::size_t truths = image.truths.size();
    const std::uint32_t label = image.found[f].label;
    double own = 0, taken = 0, other = 0;
    std::size_t best_own = 0, best_other = 0;
    for (std::size_t t = 0; t < truths; ++t) {
      const double iou = ious_[f * truths + t];
      const bool same = image.truths[t].label == label;
      if (same && image.truths[t].taken) taken = std::max(taken, iou);
      if (same && iou > own) own = iou, best_own = t;
      if (!same && iou > other) other = iou, best_other = t;
    }
    JudgedError fault;
    if (truths == 0) {
      fault.kind = ErrorSplit::kBackground;
    } else if (own >= kBackgroundIou && own <= kHitIou) {
      mend_by(image.truths[best_own], ErrorSplit::kLocation, fault);
    } else if (other >= kHitIou) {
      mend_by(image.truths[best_other], ErrorSplit::kClass, fault);
    } else if (taken >= kHitIou) {
      fault.kind = ErrorSplit::kDuplicate;
    } else if (std::max(own, other) <= kBackgroundIou) {
      fault.kind = ErrorSplit::kBackground;
    }
    return fault;
  }

  /// Mended, the best detection of a free box hits it; others are gone.
  static void mend_by(JudgedTruth& truth, ErrorSplit::Kind kind, JudgedError& fault) {
    fault.kind = kind;
    fault.mended_label = truth.label;
    fault.hits_mended = !truth.taken && !truth.mended;
    truth.mended = truth.mended || fault.hits_mended;
  }

  /// AP50 with the errors of a kind mended.
  double mend(ErrorSplit::Kind kind) const {
    std::vector<std::int64_t> truths = truths_;
    if (kind == ErrorSplit::kMissed) {
      for (std::size_t k = 0; k < truths.size(); ++k) truths[k] -= missed_[k];
    }
    std::vector<RankedMatch> points;
    for (const JudgedError& fault : faults_) {
      if (fault.kind != kind) {
        if (fault.counts) points.push_back(fault.as_it_is);
      } else if (fault.hits_mended) {
        points.push_back({fault.mended_label, fault.as_it_is.score, true});
      }
    }
    add_hits(points);
    return mean_average_precision(std::move(points), truths);
  }

  /// Errors stand before hits of the same score, as in the mended lists.
  std::vector<RankedMatch> unmended_points() const {
    std::vector<RankedMatch> points;
    for (const JudgedError& fault : faults_) {
      if (fault.counts) points.push_back(fault.as_it_is);
    }
    add_hits(points);
    return points;
  }

  void add_hits(std::vector<RankedMatch>& points) const {
    for (const RankedMatch& point : points_) {
      if (point.hit) points.push_back(point);
    }
  }

  std::vector<JudgedImage> images_;
  std::vector<JudgedTruth> crowds_;                   ///< of the image that is judged
  std::vector<double> ious_;                          ///< of that image: [found][truth]
  std::vector<RankedMatch> points_;                   ///< all that count
  std::vector<JudgedError> faults_;                   ///< detections that hit nothing
  std::vector<std::int64_t> truths_, hits_, missed_;  ///< by class
};

}  // namespace

ErrorSplit split_errors(const MetricInput& input, std::span<const MetricDetection> detections) {
  return ErrorSplitter(input, detections).split();
}

}  // namespace rtdetr
