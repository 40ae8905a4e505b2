#include "data/tools/doctor.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <set>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/image/picture.h"
#include "core/image/picture_names.h"
#include "data/dataset/annotation_format.h"
#include "data/dataset/dataset_build.h"
#include "data/dataset/hidden_files.h"
#include "data/formats/yolo_labels.h"
#include "data/tools/doctor_advice.h"
#include "data/tools/doctor_pictures.h"
#include "data/tools/label_picture.h"
#include "data/tools/near_duplicates.h"

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

/// How boxes and shapes look at the network's size, to which pictures are stretched.
void count_at_network_size(const Dataset& dataset, const CheckOptions& options, SplitReport& report) {
  std::vector<int> sides;
  std::vector<double> aspects;
  const auto width = static_cast<double>(options.width), height = static_cast<double>(options.height);
  for (const auto& picture : dataset.pictures) {
    if (picture.width == 0) continue;
    const double scale_x = width / picture.width, scale_y = height / picture.height;
    aspects.push_back(static_cast<double>(picture.width) / picture.height);
    report.squeezed_pictures += std::max(scale_x, scale_y) > kMostSqueeze * std::min(scale_x, scale_y);
    for (std::uint32_t i = picture.first_box; i < picture.first_box + picture.box_count; ++i) {
      const auto& [x0, y0, x1, y1] = dataset.boxes[i].xyxy;
      const double w = (x1 - x0) * scale_x, h = (y1 - y0) * scale_y;
      sides.push_back(static_cast<int>(std::lround(std::sqrt(w * h))));
      report.boxes_below_stride += std::min(w, h) < kFinestStride;
    }
  }
  report.box_side = range_of(std::move(sides));
  if (aspects.empty()) return;
  const auto middle = aspects.begin() + static_cast<std::ptrdiff_t>(aspects.size() / 2);
  std::nth_element(aspects.begin(), middle, aspects.end());
  report.aspect = *middle;
}

SplitReport count(const Dataset& dataset, const std::string& key, const CheckOptions& options) {
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
    report.unreadable_pictures += !picture.readable;
    if (picture.width == 0) continue;
    widths.push_back(picture.width);
    heights.push_back(picture.height);
    report.pictures_without_boxes += picture.box_count == 0;
    report.max_boxes = std::max<std::int64_t>(report.max_boxes, picture.box_count);
  }
  report.width = range_of(std::move(widths));
  report.height = range_of(std::move(heights));
  count_at_network_size(dataset, options, report);
  return report;
}

bool has_label_file_each(AnnotationFormat format) {
  return format == AnnotationFormat::kYolo || format == AnnotationFormat::kVoc || format == AnnotationFormat::kKitti;
}

/// The pictures that count() counts as without boxes.
SplitReport::WithoutBoxes find_without_boxes(const Dataset& dataset) {
  SplitReport::WithoutBoxes found;
  for (const auto& picture : dataset.pictures) {
    if (picture.width == 0 || picture.box_count > 0) continue;
    SplitReport::NamedFiles& named = picture.annotated ? found.empty_label_file : found.no_label_file;
    ++named.count;
    if (named.first.size() < kMostNamed) named.first.push_back(picture.file.filename().string());
  }
  return found;
}

/// Pictures that lie in the folder of a COCO or VOC split and are in none of the splits.
void find_unlisted(const DatasetConfig& config, const std::vector<NamedDataset>& splits, ProblemCollector& problems) {
  std::set<fs::path> folders, listed;
  for (const NamedDataset& read : splits) {
    const DatasetConfig::Split* split = config.find(read.key);
    if (split && split->format != AnnotationFormat::kYolo) folders.insert(split->images);
  }
  for (const NamedDataset& split : splits) {
    for (const auto& picture : split.dataset.pictures) listed.insert(picture.file.lexically_normal());
  }
  std::set<fs::path> unlisted;
  ProblemCollector said_elsewhere;
  for (const fs::path& folder : folders) {
    std::error_code fault;
    for (fs::recursive_directory_iterator at(folder, fault), end; !fault && at != end; at.increment(fault)) {
      const fs::path file = at->path().lexically_normal();
      if (skip_hidden(at, said_elsewhere)) continue;
      if (has_picture_extension(file) && !listed.contains(file)) unlisted.insert(file);
    }
  }
  for (const fs::path& file : unlisted) {
    problems.warn("unlisted_picture", "pictures on disk are in no split", [&] { return file.string(); });
  }
}

/// Label files of YOLO splits beside those of their pictures, with no picture of their own.
void find_unused_labels(const DatasetConfig& config, const std::vector<NamedDataset>& splits,
                        ProblemCollector& problems) {
  std::set<fs::path> folders, used;
  for (const NamedDataset& split : splits) {
    const DatasetConfig::Split* described = config.find(split.key);
    if (!described || described->format != AnnotationFormat::kYolo) continue;
    for (const auto& picture : split.dataset.pictures) {
      used.insert(yolo_label_path(picture.file).lexically_normal());
      folders.insert(yolo_label_path(picture.file).lexically_normal().parent_path());
    }
  }
  std::set<fs::path> unused;
  for (const fs::path& folder : folders) {
    std::error_code fault;
    for (fs::directory_iterator at(folder, fault), end; !fault && at != end; at.increment(fault)) {
      const fs::path& file = at->path();
      if (is_hidden(file)) continue;
      if (file.extension() == ".txt" && file.filename() != "classes.txt" && !used.contains(file)) unused.insert(file);
    }
  }
  for (const fs::path& file : unused) {
    problems.warn("unused_label", "label files have no picture in any split", [&] { return file.string(); });
  }
}

/// One check from the splits' reading to the report.
class Doctor {
 public:
  Doctor(std::string name, const CheckOptions& options) : options_(options) { report_.name = std::move(name); }

  /// What the data set's own file shows. A `test` split that was not fetched is nobody's fault.
  void read_config(const DatasetConfig& config) {
    append(config.problems, "");
    for (const auto& split : config.splits) {
      if (is_left_out(split)) {
        problems_.warn("absent_split", "splits are not on disk; nothing needs them but an evaluation on them",
                       [&] { return config.file.string() + ":" + std::to_string(split.line) + ": " + split.key; });
        continue;
      }
      read_split(split.key, [&](const ClassList* classes) { return inspect_dataset(config, split.key, classes); });
    }
  }

  template <class Inspect>
  void read_split(const std::string& key, Inspect&& inspect) {
    try {
      // Every split is read in the classes of the first that has some, as training and evaluating do.
      const bool first = report_.classes.names.empty();
      Dataset dataset = inspect(first ? nullptr : &report_.classes);
      if (first) report_.classes = dataset.classes;
      append(std::move(dataset.problems), key);
      splits_.push_back({key, std::move(dataset)});
    } catch (const Error& fault) {
      problems_.error("unreadable_split", "splits cannot be read", [&] { return key + ": " + fault.what(); });
    }
  }

  DatasetReport finish(const DatasetConfig& config) {
    for (const NamedDataset& split : splits_) {
      report_.splits.push_back(count(split.dataset, split.key, options_));
      const DatasetConfig::Split* described = config.find(split.key);
      if (described) {
        report_.splits.back().format = format_title(described->format);
        if (has_label_file_each(described->format))
          report_.splits.back().without_boxes = find_without_boxes(split.dataset);
      }
      ProblemCollector found;
      find_bad_training(split, report_.splits.back(), options_, found);
      append(found.take(), split.key);
    }
    find_unlisted(config, splits_, problems_);
    find_unused_labels(config, splits_, problems_);
    const CheckedPictures checked = check_pictures(splits_, options_, problems_);
    for (std::size_t s = 0; s < splits_.size(); ++s) report_.splits[s].unreadable_pictures += checked.undecodable[s];
    add_near_duplicates(checked.near_pairs);
    append(problems_.take(), "");
    std::stable_partition(report_.problems.begin(), report_.problems.end(),
                          [](const DataProblem& p) { return p.severity == DataProblem::Severity::kError; });
    report_.advice = advise(report_, options_);
    if (options_.label_tiles > 0 && !splits_.empty()) {
      report_.labels = draw_label_sheet(splits_.front().dataset, options_.label_tiles);
    }
    return std::move(report_);
  }

 private:
  void add_near_duplicates(const std::vector<NearPair>& pairs) {
    constexpr std::size_t kMostShown = 32;
    const auto name = [&](std::size_t split, std::size_t picture) {
      return splits_[split].key + ": " + splits_[split].dataset.pictures[picture].file.string();
    };
    for (const NearPair& pair : pairs) {
      report_.near_duplicates.push_back(
          {name(pair.split, pair.picture), name(pair.other_split, pair.other), pair.bits});
    }
    if (options_.label_tiles > 0) report_.near_duplicate_sheet = draw_near_pairs(pairs, splits_, kMostShown);
  }

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
  doctor.read_config(config);
  return doctor.finish(config);
}

DatasetReport check_coco(const fs::path& annotations, const fs::path& images, const CheckOptions& options) {
  Doctor doctor(annotations.string(), options);
  doctor.read_split("", [&](const ClassList* classes) {
    Dataset dataset = inspect_coco(annotations, images, classes);
    dataset.limits = options.limits;
    return dataset;
  });
  DatasetConfig config;
  config.splits.push_back({.key = "", .format = AnnotationFormat::kCoco, .images = images, .annotations = annotations});
  return doctor.finish(config);
}

}  // namespace rtdetr
