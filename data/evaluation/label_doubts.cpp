#include "data/evaluation/label_doubts.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "data/evaluation/coco_class_metric.h"

namespace rtdetr {
namespace {

constexpr double kOnBox = 0.5, kBesideBox = 0.1;  // as the errors of error_split.h are told apart
constexpr double kLeastScore = 0.01;

double nats(double score) { return -std::log(std::clamp(score, kLeastScore, 1 - kLeastScore)); }

struct DoubtedBox {
  const MetricTruth* truth = nullptr;
  bool settled = false;  ///< hit, or doubted already
  bool hit = false;
};

/// Boxes and detections of one picture.
class DoubtedPicture {
 public:
  void add(const MetricTruth& truth) {
    if (truth.crowd) {
      crowds_.push_back(&truth);
    } else {
      boxes_.push_back({&truth});
    }
  }
  void add(const MetricDetection& detection) { found_.push_back(&detection); }

  void judge(double confidence, LabelDoubts& result) {
    std::ranges::stable_sort(found_, std::greater<>(), &MetricDetection::score);
    const auto speaks = [&](const MetricDetection* one) { return one->score >= confidence; };
    const std::span all(found_);
    const auto speakers =
        all.first(static_cast<std::size_t>(std::ranges::partition_point(found_, speaks) - found_.begin()));
    std::vector<const MetricDetection*> others;
    for (const MetricDetection* one : speakers) {
      DoubtedBox* box = best_box(*one, kOnBox, [&](const DoubtedBox& b) { return !b.settled && same_class(b, *one); });
      if (box) {
        box->settled = box->hit = true;
      } else {
        others.push_back(one);
      }
    }
    for (const MetricDetection* one : others)
      if (!is_explained(*one)) result.doubts.push_back(doubt_by(*one));
    result.unseen += std::ranges::count(boxes_, false, &DoubtedBox::settled);
  }

 private:
  static bool same_class(const DoubtedBox& box, const MetricDetection& one) {
    return box.truth->category_id == one.category_id;
  }
  static double overlap(const DoubtedBox& box, const MetricDetection& one) {
    return metric::iou(one.box_xywh, box.truth->box_xywh, false);
  }

  /// The box that it overlaps most, from `least` on, among those that `fits`; nullptr if there is none.
  template <typename Fits>
  DoubtedBox* best_box(const MetricDetection& one, double least, const Fits& fits) {
    DoubtedBox* best = nullptr;
    double most = 0;
    for (DoubtedBox& box : boxes_) {
      const double iou = overlap(box, one);
      if (iou < least || iou <= most || !fits(box)) continue;
      best = &box;
      most = iou;
    }
    return best;
  }

  bool is_explained(const MetricDetection& one) {
    const auto forgives = [&](const MetricTruth* crowd) {
      return crowd->category_id == one.category_id && metric::iou(one.box_xywh, crowd->box_xywh, true) > kOnBox;
    };
    const auto said = [&](const MetricDetection* other) {
      return metric::iou(one.box_xywh, other->box_xywh, false) >= kOnBox;
    };
    return std::ranges::any_of(crowds_, forgives) || std::ranges::any_of(doubting_, said) ||
           best_box(one, kOnBox, [](const DoubtedBox& box) { return box.hit; });
  }

  LabelDoubt doubt_by(const MetricDetection& one) {
    doubting_.push_back(&one);
    LabelDoubt doubt{.loss = nats(1 - one.score), .detection = one, .label = std::nullopt};
    DoubtedBox* box = best_box(one, kOnBox, [](const DoubtedBox& b) { return !b.settled; });
    doubt.kind = box ? LabelDoubt::kClass : LabelDoubt::kPlace;
    if (!box) box = best_box(one, kBesideBox, [&](const DoubtedBox& b) { return !b.settled && same_class(b, one); });
    if (!box) {
      doubt.kind = LabelDoubt::kUnlabelled;
      return doubt;
    }
    box->settled = true;
    doubt.label = *box->truth;
    doubt.iou = overlap(*box, one);
    doubt.loss = (doubt.loss + nats(score_of(*box))) / 2;
    return doubt;
  }

  /// The best score of the box's own class on it.
  double score_of(const DoubtedBox& box) const {
    for (const MetricDetection* one : found_)
      if (same_class(box, *one) && overlap(box, *one) >= kOnBox) return one->score;
    return 0;
  }

  std::vector<DoubtedBox> boxes_;
  std::vector<const MetricTruth*> crowds_;
  std::vector<const MetricDetection*> found_;     ///< best first, once they are judged
  std::vector<const MetricDetection*> doubting_;  ///< those that have spoken
};

}  // namespace

LabelDoubts doubt_labels(const MetricInput& truth, std::span<const MetricDetection> detections, double confidence) {
  const std::set<std::int64_t> categories(truth.category_ids.begin(), truth.category_ids.end());
  std::map<std::int64_t, DoubtedPicture> pictures;
  for (const std::int64_t id : truth.image_ids) pictures[id];
  const auto add = [&](const auto& one) {
    const auto picture = pictures.find(one.image_id);
    if (picture != pictures.end() && categories.contains(one.category_id)) picture->second.add(one);
  };
  for (const MetricTruth& one : truth.truths) add(one);
  for (const MetricDetection& one : detections) add(one);
  LabelDoubts result;
  for (auto& [id, picture] : pictures) picture.judge(confidence, result);
  std::ranges::stable_sort(result.doubts, std::greater<>(), &LabelDoubt::loss);
  return result;
}

}  // namespace rtdetr
