#include "data/evaluation/operating_points.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/dataset/id_index.h"
#include "data/evaluation/coco_class_metric.h"

namespace rtdetr {
namespace {

constexpr double kIou = 0.5;
constexpr std::size_t kMostDetections = 100;  // of a picture and class, as in the metric

}  // namespace

double MatchCounts::precision() const {
  const std::int64_t detections = hits + wrong;
  return detections == 0 ? std::nan("") : static_cast<double>(hits) / static_cast<double>(detections);
}

double MatchCounts::recall() const {
  const std::int64_t boxes = hits + missed;
  return boxes == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(boxes);
}

double MatchCounts::f1() const {
  const std::int64_t both = 2 * hits + wrong + missed;
  return both == 0 ? 0 : 2 * static_cast<double>(hits) / static_cast<double>(both);
}

MatchCounts ScoredMatches::at(double confidence) const {
  const auto end = std::partition_point(score.begin(), score.end(), [&](double s) { return s >= confidence; });
  const auto shown = static_cast<std::size_t>(end - score.begin());
  MatchCounts point;
  point.hits = std::count(hit.begin(), hit.begin() + static_cast<std::ptrdiff_t>(shown), 1);
  point.wrong = static_cast<std::int64_t>(shown) - point.hits;
  point.missed = boxes - point.hits;
  return point;
}

DetectionMatcher::DetectionMatcher(const MetricInput& truth, std::span<const MetricDetection> detections,
                                   const ClassList& classes)
    : classes_(classes.names.size()) {
  const IdIndex images(truth.image_ids), categories(classes.category_ids);
  std::vector<std::uint32_t> label_of(categories.size());
  for (std::size_t i = 0; i < classes.category_ids.size(); ++i) {
    label_of[categories.find(classes.category_ids[i])] = static_cast<std::uint32_t>(i);
  }
  image_ids_ = images.ids();
  images_.resize(images.size());
  const auto place = [&](std::int64_t image_id, std::int64_t category_id, std::uint32_t& image, std::uint32_t& label) {
    image = images.find(image_id);
    const std::uint32_t category = categories.find(category_id);
    if (image == IdIndex::kNone || category == IdIndex::kNone) return false;
    label = label_of[category];
    return true;
  };
  std::uint32_t image = 0, label = 0;
  for (const MetricTruth& box : truth.truths) {
    if (place(box.image_id, box.category_id, image, label)) {
      images_[image].boxes.push_back({box.box_xywh, label, box.crowd});
    }
  }
  for (const MetricDetection& found : detections) {
    if (place(found.image_id, found.category_id, image, label)) {
      images_[image].found.push_back({found.box_xywh, found.score, label});
    }
  }
  for (Image& one : images_) match(one);
}

/// COCO's rule: in the order of the scores, each takes the free box of its class that it overlaps most; crowds take
/// what is left and count for nothing.
void DetectionMatcher::match(Image& image) {
  std::stable_sort(image.found.begin(), image.found.end(),
                   [](const Found& a, const Found& b) { return a.score > b.score; });
  std::vector<std::uint8_t> taken(image.boxes.size(), 0);
  std::vector<std::pair<std::uint32_t, std::size_t>> count_of_class;
  std::erase_if(image.found, [&](const Found& found) {
    const auto at = std::find_if(count_of_class.begin(), count_of_class.end(),
                                 [&](const auto& entry) { return entry.first == found.label; });
    if (at == count_of_class.end()) {
      count_of_class.emplace_back(found.label, 1);
      return false;
    }
    return ++at->second > kMostDetections;
  });
  for (Found& found : image.found) {
    double best = kIou;
    for (std::size_t i = 0; i < image.boxes.size(); ++i) {
      const auto& box = image.boxes[i];
      if (box.label != found.label || taken[i] || (box.crowd && found.partner >= 0)) continue;
      const double iou = metric::iou(found.xywh, box.xywh, box.crowd);
      if (iou < (box.crowd ? kIou : best)) continue;
      if (!box.crowd) best = iou;
      found.partner = box.crowd ? kCrowd : static_cast<std::int32_t>(i);
    }
    if (found.partner >= 0) taken[static_cast<std::size_t>(found.partner)] = 1;
  }
}

OperatingCurves DetectionMatcher::curves() const {
  OperatingCurves curves;
  curves.classes.resize(classes_);
  std::vector<std::vector<std::pair<double, bool>>> scored(classes_);
  for (const Image& image : images_) {
    for (const auto& box : image.boxes) curves.classes[box.label].boxes += !box.crowd;
    for (const Found& found : image.found) {
      if (found.partner != kCrowd) scored[found.label].emplace_back(found.score, found.partner >= 0);
    }
  }
  std::int64_t with_boxes = 0;
  std::array<std::int64_t, kConfidences> with_detections{};
  for (std::size_t k = 0; k < classes_; ++k) {
    std::stable_sort(scored[k].begin(), scored[k].end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    ScoredMatches& matches = curves.classes[k];
    for (const auto& [score, hit] : scored[k]) {
      matches.score.push_back(score);
      matches.hit.push_back(hit);
    }
    if (matches.boxes == 0) continue;
    ++with_boxes;
    for (int i = 0; i < kConfidences; ++i) {
      const MatchCounts point = matches.at(i / 100.0);
      const auto at = static_cast<std::size_t>(i);
      if (point.hits + point.wrong > 0) {
        curves.precision[at] += point.precision();
        ++with_detections[at];
      }
      curves.recall[at] += point.recall();
      curves.f1[at] += point.f1();
    }
  }
  for (std::size_t i = 0; i < kConfidences; ++i) {
    curves.precision[i] /= static_cast<double>(with_detections[i]);
    curves.recall[i] /= static_cast<double>(std::max<std::int64_t>(with_boxes, 1));
    curves.f1[i] /= static_cast<double>(std::max<std::int64_t>(with_boxes, 1));
  }
  const auto best = std::max_element(curves.f1.begin(), curves.f1.end());
  curves.best_confidence = static_cast<double>(best - curves.f1.begin()) / 100.0;
  return curves;
}

ConfusionMatrix DetectionMatcher::confusion(double confidence) const {
  ConfusionMatrix matrix{confidence, kIou, classes_, {}};
  matrix.counts.assign((classes_ + 1) * (classes_ + 1), 0);
  struct Pair {
    double iou;
    std::size_t found, box;
  };
  for (const Image& image : images_) {
    std::vector<std::uint8_t> box_done(image.boxes.size(), 0), found_done(image.found.size(), 0);
    const auto pair_up = [&](std::size_t found, std::size_t box) {
      ++matrix.at(image.found[found].label, image.boxes[box].label);
      found_done[found] = box_done[box] = 1;
    };
    std::size_t shown = 0;
    for (; shown < image.found.size() && image.found[shown].score >= confidence; ++shown) {
      const std::int32_t partner = image.found[shown].partner;
      if (partner >= 0) pair_up(shown, static_cast<std::size_t>(partner));
      found_done[shown] |= partner == kCrowd;
    }
    std::vector<Pair> rest;
    for (std::size_t f = 0; f < shown; ++f) {
      for (std::size_t b = 0; !found_done[f] && b < image.boxes.size(); ++b) {
        if (box_done[b] || image.boxes[b].crowd) continue;
        const double iou = metric::iou(image.found[f].xywh, image.boxes[b].xywh, false);
        if (iou >= kIou) rest.push_back({iou, f, b});
      }
    }
    std::stable_sort(rest.begin(), rest.end(), [](const Pair& a, const Pair& b) { return a.iou > b.iou; });
    for (const Pair& pair : rest) {
      if (!found_done[pair.found] && !box_done[pair.box]) pair_up(pair.found, pair.box);
    }
    for (std::size_t f = 0; f < shown; ++f) {
      if (!found_done[f]) ++matrix.at(image.found[f].label, classes_);
    }
    for (std::size_t b = 0; b < image.boxes.size(); ++b) {
      if (!box_done[b] && !image.boxes[b].crowd) ++matrix.at(classes_, image.boxes[b].label);
    }
  }
  return matrix;
}

std::vector<PictureCounts> DetectionMatcher::by_picture(double confidence) const {
  std::vector<PictureCounts> pictures;
  for (std::size_t i = 0; i < images_.size(); ++i) {
    MatchCounts counts;
    for (const Found& found : images_[i].found) {
      if (found.score < confidence || found.partner == kCrowd) continue;
      found.partner >= 0 ? ++counts.hits : ++counts.wrong;
    }
    const auto boxes =
        std::count_if(images_[i].boxes.begin(), images_[i].boxes.end(), [](const Box& b) { return !b.crowd; });
    counts.missed = boxes - counts.hits;
    pictures.push_back({image_ids_[i], counts});
  }
  return pictures;
}

}  // namespace rtdetr
