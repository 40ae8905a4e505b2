#include "data/tools/doctor_advice.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <tuple>

#include "core/base/text.h"
#include "core/image/image_size.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kImbalance = 1000;
constexpr std::int64_t kFewBoxes = 20;      // of a class, to learn from
constexpr std::int64_t kFewPictures = 500;  // below that, training from nothing seldom ends well
constexpr double kManySmall = 0.05;         // share of the boxes
constexpr double kManyEmpty = 0.5;          // share of the pictures
constexpr double kManyCrowds = 0.1;         // share of the annotations

std::string quoted(const std::string& name) { return "'" + name + "'"; }

std::string percent(std::int64_t part, std::int64_t whole) {
  return std::to_string(std::lround(100.0 * static_cast<double>(part) / static_cast<double>(whole))) + " %";
}

std::int64_t to_stride(double side) {
  constexpr auto kStride = static_cast<double>(kUsualStride);
  return kUsualStride * std::max(1L, std::lround(side / kStride));
}

void find_duplicate_boxes(const Dataset& dataset, ProblemCollector& problems) {
  for (const auto& picture : dataset.pictures) {
    const auto begin = dataset.boxes.begin() + picture.first_box;
    std::vector<Dataset::BoxEntry> boxes(begin, begin + picture.box_count);
    const auto key = [](const Dataset::BoxEntry& box) { return std::tie(box.label, box.xyxy); };
    std::sort(boxes.begin(), boxes.end(), [&](const auto& a, const auto& b) { return key(a) < key(b); });
    for (std::size_t i = 1; i < boxes.size(); ++i) {
      if (key(boxes[i]) != key(boxes[i - 1])) continue;
      problems.warn("repeated_box", "boxes stand twice in one picture, with the same class", [&] {
        return picture.file.string() + ": " + quoted(dataset.classes.names[static_cast<std::size_t>(boxes[i].label)]);
      });
    }
  }
}

/// What is to be done about a kind of problem; only where the message does not say it.
const std::map<std::string, std::string>& remedies() {
  static const std::map<std::string, std::string> words{
      {"duplicate_across_splits",
       "take the pictures that are in two splits out of one of them before you believe an AP"},
      {"duplicate_picture", "remove repeated pictures: they count double in training and in the metric"},
      {"repeated_box", "remove repeated boxes: the model is asked for two detections of one object"},
      {"box_inverted", "boxes of negative size are often corners written as sizes, or x0 and x1 exchanged"},
      {"box_outside", "boxes outside their pictures often mean that pictures were resized or turned after labelling"},
      {"wrong_size",
       "pictures of another size than annotated were resized or turned after labelling: label anew, or bring the "
       "originals back"},
      {"exif_turned",
       "look at the labels (output=labels.png): if boxes lie beside the objects of turned pictures, they were drawn on "
       "upright ones; write exif: true into the data set's YAML"},
      {"box_corners", "where boxes are [x0, y0, x1, y1], write [x0, y0, x1 - x0, y1 - y0]; look at output=labels.png"},
      {"box_fractions", "multiply x and width by the picture's width, y and height by its height"},
      {"shared_label", "rename one of the pictures that share a label file, and give it a label file of its own"},
      {"not_normalised", "divide YOLO's x and width by the picture's width, y and height by its height"},
      {"rotated_box", "give rotated boxes an upright <bndbox> around them, or take them out"},
      {"polygon", "give polygons a <bndbox> around them, or take them out"},
      {"unreadable_label", "give this user the right to read the labels, e.g. with chmod -R u+rX"},
      {"no_categories",
       "write a category for each class, {\"id\": 1, \"name\": \"cat\"}, and its id as category_id of its annotations"},
      {"unlisted_picture", "unlisted pictures are not used; list them without boxes if they show none of the objects"},
      {"unreadable_picture", "copy unreadable pictures again from their source, or take them out of the list"},
      {"name_in_two_cases", "give a class one spelling, unless the two are meant to be told apart"},
      {"unsupported_format", "convert other formats to JPEG or PNG"},
      {"no_label_files", "YOLO looks for labels where the last folder 'images' of the path is 'labels'"},
      {"annotation_id_0", "number annotations from 1: pycocotools takes a match to the id 0 for none"},
      {"imbalance", "label more of the rare classes; look at the AP of each class, the mean hides them"},
      {"class_without_boxes", "remove classes without boxes from the list, or label some"}};
  return words;
}

class Adviser {
 public:
  Adviser(const DatasetReport& report, const CheckOptions& options) : report_(report), options_(options) {}

  std::vector<std::string> advise() {
    for (const DataProblem& problem : report_.problems) {
      const auto remedy = remedies().find(problem.kind);
      const bool only_judged = problem.where.starts_with("val: ") || problem.where.starts_with("test: ");
      if (problem.kind == "class_without_boxes" && only_judged) continue;
      if (remedy != remedies().end()) add(remedy->second);
      if (problem.kind == "more_boxes_than_queries") add("give the model num_queries=" + queries_wanted());
    }
    for (const SplitReport& split : report_.splits) {
      if (split.pictures == 0) continue;
      if (split.key != "train" && !split.key.empty()) continue;  // what is evaluated on follows
      advise_on_sizes(split);
      advise_on_training(split);
    }
    const auto has = [&](const char* key) {
      return std::any_of(report_.splits.begin(), report_.splits.end(), [&](const auto& s) { return s.key == key; });
    };
    const bool all_read = std::none_of(report_.problems.begin(), report_.problems.end(),
                                       [](const DataProblem& problem) { return problem.kind == "unreadable_split"; });
    if (all_read && !has("train") && !has(""))
      add("there is no 'train': models can be evaluated on this data set, not trained");
    if (has("train") && !has("val"))
      add("keep a tenth of the pictures back as 'val': without it nobody knows how good a model is");
    return std::move(advice_);
  }

 private:
  void add(std::string sentence) {
    if (std::find(advice_.begin(), advice_.end(), sentence) == advice_.end()) advice_.push_back(std::move(sentence));
  }
  static std::string name_of(const SplitReport& split) { return split.key.empty() ? "" : split.key + ": "; }

  std::string queries_wanted() const {
    std::int64_t most = 0;
    for (const SplitReport& split : report_.splits) most = std::max(most, split.max_boxes);
    return std::to_string((most * 5 / 4 / 100 + 1) * 100);
  }

  void advise_on_sizes(const SplitReport& split) {
    const std::string size = std::to_string(options_.height) + "x" + std::to_string(options_.width);
    if (static_cast<double>(split.boxes_below_stride) > kManySmall * static_cast<double>(split.boxes)) {
      const auto larger = [](std::int64_t side) { return std::to_string(to_stride(static_cast<double>(side) * 1.5)); };
      const bool square = options_.height == options_.width;
      add(name_of(split) + percent(split.boxes_below_stride, split.boxes) + " of the boxes are narrower than " +
          std::to_string(kFinestStride) + " pixels at " + size +
          ", the step of the model's finest feature map; try imgsz=" + larger(options_.height) +
          (square ? "" : "," + larger(options_.width)) + ", or cut the pictures into tiles");
    }
    if (2 * split.squeezed_pictures > split.pictures) {
      const double area = static_cast<double>(options_.height) * static_cast<double>(options_.width);
      add(name_of(split) + "pictures are squeezed: they are " + fixed_ratio(split.aspect) +
          " times as wide as high, the network's input is " + size +
          "; imgsz=" + std::to_string(to_stride(std::sqrt(area / split.aspect))) + "," +
          std::to_string(to_stride(std::sqrt(area * split.aspect))) + " keeps their shape at the same cost");
    }
  }

  static std::string fixed_ratio(double value) { return format_double(std::round(10 * value) / 10); }

  void advise_on_training(const SplitReport& split) {
    if (split.pictures < kFewPictures) {
      add(with_thousands(split.pictures) +
          " pictures are few: start from a checkpoint if there is one (cfg=finetune model=… weights=…); "
          "cfg=small-data trains from scratch");
    }
    if (static_cast<double>(split.pictures_without_boxes) > kManyEmpty * static_cast<double>(split.pictures)) {
      add(percent(split.pictures_without_boxes, split.pictures) +
          " of the training pictures have no box: that is fine for backgrounds, and a mistake if labels were lost");
    }
    const std::int64_t annotations = split.boxes + split.crowds;
    if (split.boxes > 0 && static_cast<double>(split.crowds) > kManyCrowds * static_cast<double>(annotations)) {
      add(percent(split.crowds, annotations) +
          " of the annotations are crowds (iscrowd 1), which are not trained on: tools write it for masks too; set it "
          "to "
          "0 where an annotation is one object");
    }
    std::vector<std::string> rare;
    for (std::size_t k = 0; k < split.boxes_per_class.size(); ++k) {
      const std::int64_t boxes = split.boxes_per_class[k];
      if (boxes > 0 && boxes < kFewBoxes)
        rare.push_back(quoted(report_.classes.names[k]) + " " + std::to_string(boxes));
    }
    constexpr std::size_t kShown = 5;
    if (rare.empty()) return;
    const std::string more = rare.size() > kShown ? " and " + std::to_string(rare.size() - kShown) + " more" : "";
    rare.resize(std::min(rare.size(), kShown));
    add("classes with fewer than " + std::to_string(kFewBoxes) + " boxes can hardly be learnt: " + join(rare, ", ") +
        more);
  }

  const DatasetReport& report_;
  const CheckOptions& options_;
  std::vector<std::string> advice_;
};

}  // namespace

void find_bad_training(const NamedDataset& split, const SplitReport& report, const CheckOptions& options,
                       ProblemCollector& problems) {
  const Dataset& dataset = split.dataset;
  find_duplicate_boxes(dataset, problems);
  for (const auto& picture : dataset.pictures) {
    if (picture.box_count <= options.queries) continue;
    problems.warn("more_boxes_than_queries",
                  "pictures have more boxes than the model has queries (" + std::to_string(options.queries) + ")",
                  [&] { return picture.file.string() + ": " + std::to_string(picture.box_count) + " boxes"; });
  }
  if (report.boxes == 0) return;
  const auto& per_class = report.boxes_per_class;
  for (std::size_t k = 0; k < per_class.size(); ++k) {
    if (per_class[k] != 0) continue;
    problems.warn("class_without_boxes", "classes have no box, so they cannot be learnt or judged here",
                  [&] { return quoted(dataset.classes.names[k]); });
  }
  const auto most = std::max_element(per_class.begin(), per_class.end());
  const auto least = std::min_element(per_class.begin(), per_class.end(), [](std::int64_t a, std::int64_t b) {
    return (a == 0 ? std::numeric_limits<std::int64_t>::max() : a) <
           (b == 0 ? std::numeric_limits<std::int64_t>::max() : b);
  });  // of classes with boxes
  if (*most / *least < kImbalance) return;
  const auto said = [&](auto at) {
    return quoted(dataset.classes.names[static_cast<std::size_t>(at - per_class.begin())]) + " " + with_thousands(*at);
  };
  problems.warn("imbalance", "one class has more than 1000 times as many boxes as another",
                [&] { return said(most) + ", " + said(least); });
}

std::vector<std::string> advise(const DatasetReport& report, const CheckOptions& options) {
  return Adviser(report, options).advise();
}

}  // namespace rtdetr
