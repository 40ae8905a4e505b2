#include "data/doctor.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>

#include "core/io/error.h"
#include "core/io/picture.h"
#include "core/io/text.h"
#include "data/doctor_pictures.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

SplitReport::Range range_of(std::vector<int> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return {values.front(), values[values.size() / 2], values.back()};
}

/// 0: small, 1: medium, 2: large, as COCO divides them.
std::size_t size_class(const std::array<float, 4>& xyxy) {
  const double area = static_cast<double>(xyxy[2] - xyxy[0]) * (xyxy[3] - xyxy[1]);
  return area < 32.0 * 32.0 ? 0 : area < 96.0 * 96.0 ? 1 : 2;
}

SplitReport count(const Dataset& dataset, const std::string& key) {
  SplitReport report;
  report.key = key;
  report.pictures = static_cast<std::int64_t>(dataset.pictures.size());
  report.boxes = static_cast<std::int64_t>(dataset.boxes.size());
  report.crowds = std::count_if(dataset.truth.truths.begin(), dataset.truth.truths.end(),
                                [](const MetricTruth& truth) { return truth.crowd; });
  report.boxes_per_class.assign(dataset.classes.names.size(), 0);
  for (const auto& box : dataset.boxes) {
    ++report.boxes_per_class[static_cast<std::size_t>(box.label)];
    ++report.boxes_by_size[size_class(box.xyxy)];
  }
  std::vector<int> widths, heights;
  for (const auto& picture : dataset.pictures) {
    widths.push_back(picture.width);
    heights.push_back(picture.height);
    report.pictures_without_boxes += picture.box_count == 0;
    report.max_boxes = std::max<std::int64_t>(report.max_boxes, picture.box_count);
  }
  report.width = range_of(std::move(widths));
  report.height = range_of(std::move(heights));
  return report;
}

/// What is right in form and still bad for training.
void advise(const Dataset& dataset, const SplitReport& split, std::int64_t queries, ProblemCollector& problems) {
  for (const auto& picture : dataset.pictures) {
    if (picture.box_count <= queries) continue;
    problems.warn("more_boxes_than_queries",
                  "pictures have more boxes than the model has queries (" + std::to_string(queries) + ")",
                  [&] { return picture.file.string() + ": " + std::to_string(picture.box_count) + " boxes"; });
  }
  if (split.boxes == 0) return;
  const auto& per_class = split.boxes_per_class;
  for (std::size_t k = 0; k < per_class.size(); ++k) {
    if (per_class[k] != 0) continue;
    problems.warn("class_without_boxes", "classes have no box, so they cannot be learnt or judged here",
                  [&] { return "'" + dataset.classes.names[k] + "'"; });
  }
  constexpr std::int64_t kImbalance = 1000;
  const auto [least, most] = std::minmax_element(per_class.begin(), per_class.end());
  if (*least == 0 || *most / *least < kImbalance) return;
  problems.warn("imbalance", "one class has more than 1000 times as many boxes as another",
                [&, least = least, most = most] {
                  return "'" + dataset.classes.names[static_cast<std::size_t>(most - per_class.begin())] + "' " +
                         with_thousands(*most) + ", '" +
                         dataset.classes.names[static_cast<std::size_t>(least - per_class.begin())] + "' " +
                         with_thousands(*least);
                });
}

/// Pictures that lie in the folder of a COCO or VOC split and are in none of the splits.
void find_unlisted(const DatasetConfig& config, const std::vector<NamedDataset>& splits, ProblemCollector& problems) {
  std::set<fs::path> folders, listed;
  for (const auto& split : config.splits) {
    if (split.format != AnnotationFormat::kYolo) folders.insert(split.images);
  }
  for (const NamedDataset& split : splits) {
    for (const auto& picture : split.dataset.pictures) listed.insert(picture.file.lexically_normal());
  }
  std::set<fs::path> unlisted;
  for (const fs::path& folder : folders) {
    std::error_code fault;
    for (fs::recursive_directory_iterator at(folder, fault), end; !fault && at != end; at.increment(fault)) {
      const fs::path file = at->path().lexically_normal();
      if (has_picture_extension(file) && !listed.contains(file)) unlisted.insert(file);
    }
  }
  for (const fs::path& file : unlisted) {
    problems.warn("unlisted_picture", "pictures on disk are in no split", [&] { return file.string(); });
  }
}

/// One check from the splits' reading to the report.
class Doctor {
 public:
  Doctor(std::string name, const CheckOptions& options) : options_(options) { report_.name = std::move(name); }

  template <class Inspect>
  void read_split(const std::string& key, Inspect&& inspect) {
    try {
      // Every split is read in the classes of the first, as training and evaluating do.
      Dataset dataset = inspect(splits_.empty() ? nullptr : &report_.classes);
      if (splits_.empty()) report_.classes = dataset.classes;
      append(std::move(dataset.problems), key);
      splits_.push_back({key, std::move(dataset)});
    } catch (const Error& fault) {
      problems_.error("unreadable_split", "splits cannot be read", [&] { return key + ": " + fault.what(); });
    }
  }

  DatasetReport finish(const DatasetConfig& config) {
    for (const NamedDataset& split : splits_) {
      report_.splits.push_back(count(split.dataset, split.key));
      ProblemCollector advice;
      advise(split.dataset, report_.splits.back(), options_.queries, advice);
      append(advice.take(), split.key);
    }
    find_unlisted(config, splits_, problems_);
    if (options_.decode) {
      const std::vector<std::int64_t> unreadable = check_pictures(splits_, options_, problems_);
      for (std::size_t s = 0; s < splits_.size(); ++s) report_.splits[s].unreadable_pictures = unreadable[s];
    }
    append(problems_.take(), "");
    std::stable_partition(report_.problems.begin(), report_.problems.end(),
                          [](const DataProblem& p) { return p.severity == DataProblem::Severity::kError; });
    return std::move(report_);
  }

 private:
  void append(std::vector<DataProblem> found, const std::string& key) {
    for (DataProblem& problem : found) {
      if (!key.empty()) {
        problem.where = key + ": " + problem.where;
        for (std::string& place : problem.places) place = key + ": " + place;
      }
      report_.problems.push_back(std::move(problem));
    }
  }

  const CheckOptions& options_;
  DatasetReport report_;
  std::vector<NamedDataset> splits_;
  ProblemCollector problems_;
};

}  // namespace

DatasetReport check_dataset(const DatasetConfig& config, const CheckOptions& options) {
  Doctor doctor(config.file.string(), options);
  for (const auto& split : config.splits) {
    doctor.read_split(split.key, [&](const ClassList* classes) { return inspect_dataset(config, split.key, classes); });
  }
  return doctor.finish(config);
}

DatasetReport check_coco(const fs::path& annotations, const fs::path& images, const CheckOptions& options) {
  Doctor doctor(annotations.string(), options);
  doctor.read_split("", [&](const ClassList* classes) { return inspect_coco(annotations, images, classes); });
  DatasetConfig config;
  config.splits.push_back({.key = "", .format = AnnotationFormat::kCoco, .images = images, .annotations = annotations});
  return doctor.finish(config);
}

}  // namespace rtdetr
