#include "data/evaluation/coco_metric.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "core/base/check.h"
#include "core/base/error.h"
#include "core/base/parallel.h"
#include "core/base/text.h"
#include "data/dataset/id_index.h"
#include "data/evaluation/coco_class_metric.h"

namespace rtdetr {
namespace {

using namespace metric;

/// Boxes of the listed images and classes, grouped by class, inside it by image, inside that in file order.
struct Grouped {
  std::vector<std::uint32_t> index;      ///< into the input
  std::vector<std::uint32_t> image;      ///< of each, beside `index`
  std::vector<std::size_t> class_begin;  ///< K + 1
  std::int64_t left_out = 0;

  ImageOrder of_class(std::size_t k) const {
    const std::size_t from = class_begin[k], count = class_begin[k + 1] - from;
    return {std::span(index).subspan(from, count), std::span(image).subspan(from, count)};
  }
};

struct CountingSort {
  std::vector<std::uint32_t> order;
  std::vector<std::size_t> begin;  ///< of each key in `order`, and the end
};

/// One stable counting sort by key[i] of `order`, or of all if that is empty, without those whose category is kNone.
CountingSort counting_sort(std::span<const std::uint32_t> order, const std::vector<std::uint32_t>& key,
                           const std::vector<std::uint32_t>& category, std::size_t keys) {
  const auto for_each = [&](auto&& visit) {
    for (const std::uint32_t i : order) visit(i);
    for (std::uint32_t i = 0; order.empty() && i < category.size(); ++i) {
      if (category[i] != IdIndex::kNone) visit(i);
    }
  };
  CountingSort sorted;
  sorted.begin.assign(keys + 1, 0);
  for_each([&](std::uint32_t i) { ++sorted.begin[key[i] + 1]; });
  std::partial_sum(sorted.begin.begin(), sorted.begin.end(), sorted.begin.begin());
  std::vector<std::size_t> at(sorted.begin.begin(), sorted.begin.end() - 1);
  sorted.order.resize(sorted.begin.back());
  for_each([&](std::uint32_t i) { sorted.order[at[key[i]]++] = i; });
  return sorted;
}

template <class Box>
Grouped group(std::span<const Box> boxes, const IdIndex& images, const IdIndex& classes) {
  RTDETR_CHECK(boxes.size() < IdIndex::kNone, "more boxes than 32 bits can count");
  Grouped grouped;
  std::vector<std::uint32_t> image(boxes.size()), category(boxes.size());
  bool by_image = true;
  std::uint32_t last_image = 0;
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    image[i] = images.find(boxes[i].image_id);
    category[i] = classes.find(boxes[i].category_id);
    if (image[i] == IdIndex::kNone || category[i] == IdIndex::kNone) {
      category[i] = IdIndex::kNone;
      ++grouped.left_out;
      continue;
    }
    by_image &= image[i] >= last_image;
    last_image = image[i];
  }
  std::vector<std::uint32_t> by_images;  // empty: as they are
  if (!by_image) by_images = counting_sort({}, image, category, images.size()).order;
  CountingSort sorted = counting_sort(by_images, category, category, classes.size());
  grouped.index = std::move(sorted.order);
  grouped.class_begin = std::move(sorted.begin);
  category = std::vector<std::uint32_t>();
  grouped.image.reserve(grouped.index.size());
  for (const std::uint32_t i : grouped.index) grouped.image.push_back(image[i]);
  return grouped;
}

void check_detections(std::span<const MetricDetection> detections, const IdIndex& images) {
  for (std::size_t i = 0; i < detections.size(); ++i) {
    if (std::isnan(detections[i].score)) {
      throw DataError("detection " + std::to_string(i) + ": the score is not a number");
    }
    if (images.find(detections[i].image_id) == IdIndex::kNone) {
      throw DataError("detection " + std::to_string(i) + " is on image " + std::to_string(detections[i].image_id) +
                      ", which the annotations do not list; are these results of another data set?");
    }
  }
}

/// Where class k's numbers go in the arrays of all classes.
void store(const ClassCurves& curves, std::size_t k, MetricResult& result) {
  for (int t = 0; t < kThresholds; ++t) {
    for (int a = 0; a < kAreas; ++a) {
      for (int m = 0; m < kLimits; ++m) {
        result.recall[result.place_of(t, k, a, m)] = curves.recall[t][a][m];
        for (int r = 0; r < kRecalls; ++r) {
          result.precision[result.place_of(t * kRecalls + r, k, a, m)] = curves.precision[t][r][a][m];
        }
      }
    }
  }
}

/// Mean of what is defined; −1 if nothing is.
class Mean {
 public:
  void add(double value) {
    if (value <= -1) return;
    sum_ += value;
    ++count_;
  }
  double value() const { return count_ == 0 ? -1 : static_cast<double>(sum_ / count_); }

 private:
  long double sum_ = 0;
  std::int64_t count_ = 0;
};

/// A slice of the arrays: thresholds [first, last], classes [k_begin, k_end), one area range, one limit.
struct Slice {
  int first = 0, last = kThresholds - 1;
  int area = 0;
  int limit = kLimits - 1;
};

double mean_precision(const MetricResult& result, Slice slice, std::size_t k_begin, std::size_t k_end) {
  Mean mean;
  for (int t = slice.first; t <= slice.last; ++t) {
    for (int r = 0; r < kRecalls; ++r) {
      for (std::size_t k = k_begin; k < k_end; ++k) {
        mean.add(result.precision_at(t, r, k, slice.area, slice.limit));
      }
    }
  }
  return mean.value();
}

double mean_recall(const MetricResult& result, Slice slice, std::size_t k_begin, std::size_t k_end) {
  Mean mean;
  for (int t = slice.first; t <= slice.last; ++t) {
    for (std::size_t k = k_begin; k < k_end; ++k) mean.add(result.recall_at(t, k, slice.area, slice.limit));
  }
  return mean.value();
}

void summarize(MetricResult& result) {
  const std::size_t all = result.classes.size();
  result.stats = {mean_precision(result, {}, 0, all),
                  mean_precision(result, {kIou50, kIou50}, 0, all),
                  mean_precision(result, {kIou75, kIou75}, 0, all),
                  mean_precision(result, {.area = 1}, 0, all),
                  mean_precision(result, {.area = 2}, 0, all),
                  mean_precision(result, {.area = 3}, 0, all),
                  mean_recall(result, {.limit = 0}, 0, all),
                  mean_recall(result, {.limit = 1}, 0, all),
                  mean_recall(result, {.limit = 2}, 0, all),
                  mean_recall(result, {.area = 1}, 0, all),
                  mean_recall(result, {.area = 2}, 0, all),
                  mean_recall(result, {.area = 3}, 0, all)};
  for (std::size_t k = 0; k < all; ++k) {
    MetricResult::Class& one = result.classes[k];
    one.ap = mean_precision(result, {}, k, k + 1);
    one.ap50 = mean_precision(result, {kIou50, kIou50}, k, k + 1);
    one.ap75 = mean_precision(result, {kIou75, kIou75}, k, k + 1);
    one.ar100 = mean_recall(result, {}, k, k + 1);
  }
}

}  // namespace

MetricResult evaluate_coco(const MetricInput& input, std::span<const MetricDetection> detections, int threads) {
  const IdIndex categories(input.category_ids);
  Grouped truths, found;
  {
    const IdIndex images(input.image_ids);
    check_detections(detections, images);
    truths = group(std::span<const MetricTruth>(input.truths), images, categories);
    found = group(detections, images, categories);
  }

  const std::size_t classes = categories.size();
  MetricResult result;
  result.truths_left_out = truths.left_out;
  result.detections_left_out = found.left_out;
  result.precision.resize(kThresholds * kRecalls * classes * kAreas * kLimits);
  result.recall.resize(kThresholds * classes * kAreas * kLimits);
  result.classes.resize(classes);

  // The largest classes first, so that no thread is left with one of them at the end.
  std::vector<std::size_t> largest_first(classes);
  std::iota(largest_first.begin(), largest_first.end(), std::size_t{0});
  std::stable_sort(largest_first.begin(), largest_first.end(), [&](std::size_t a, std::size_t b) {
    return found.of_class(a).index.size() > found.of_class(b).index.size();
  });
  struct Worker {
    ClassEvaluator evaluator;
    ClassCurves curves;
    std::int64_t unusable = 0;
  };
  std::vector<Worker> workers(static_cast<std::size_t>(std::max(threads, 1)));
  parallel_for(classes, threads, [&](int worker_index, std::size_t i) {
    Worker& worker = workers[static_cast<std::size_t>(worker_index)];
    const std::size_t k = largest_first[i];
    worker.evaluator.evaluate(input.truths, truths.of_class(k), detections, found.of_class(k), worker.curves);
    store(worker.curves, k, result);
    result.classes[k].category_id = categories.ids()[k];
    result.classes[k].truths = worker.curves.truths[0];
    worker.unusable += worker.curves.unusable_boxes;
  });
  for (const Worker& worker : workers) result.unusable_boxes += worker.unusable;
  summarize(result);
  return result;
}

CurvePoint best_f1_on_curve(const MetricResult& result) {
  CurvePoint best;
  double best_f1 = -1;
  for (std::size_t r = 0; r < kRecalls; ++r) {
    double sum = 0;
    std::size_t counted = 0;
    for (std::size_t k = 0; k < result.classes.size(); ++k) {
      const double precision = result.precision_at(kIou50, r, k);
      if (precision < 0) continue;
      sum += precision;
      ++counted;
    }
    const double precision = counted > 0 ? sum / static_cast<double>(counted) : 0;
    const double recall = static_cast<double>(r) / (kRecalls - 1);
    const double f1 = 2 * precision * recall / std::max(precision + recall, 1e-16);
    if (f1 <= best_f1) continue;
    best_f1 = f1;
    best = {precision, recall};
  }
  return best;
}

std::string format_summary(const MetricResult& result) {
  struct Row {
    const char* iou;
    const char* area;
    int limit;
  };
  constexpr std::array<Row, 12> kRows{{{"0.50:0.95", "all", 100},
                                       {"0.50", "all", 100},
                                       {"0.75", "all", 100},
                                       {"0.50:0.95", "small", 100},
                                       {"0.50:0.95", "medium", 100},
                                       {"0.50:0.95", "large", 100},
                                       {"0.50:0.95", "all", 1},
                                       {"0.50:0.95", "all", 10},
                                       {"0.50:0.95", "all", 100},
                                       {"0.50:0.95", "small", 100},
                                       {"0.50:0.95", "medium", 100},
                                       {"0.50:0.95", "large", 100}}};
  std::string text;
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    std::array<char, 128> line{};
    std::snprintf(line.data(), line.size(), " %-18s %s @[ IoU=%-9s | area=%6s | maxDets=%3d ] = %s\n",
                  i < 6 ? "Average Precision" : "Average Recall", i < 6 ? "(AP)" : "(AR)", kRows[i].iou, kRows[i].area,
                  kRows[i].limit, fixed(result.stats[i], 3).c_str());
    text += line.data();
  }
  return text;
}

}  // namespace rtdetr
