#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "data/dataset/dataset_build.h"
#include "data/formats/yolo_labels.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestLabelFile = 64u << 20;

/// Pixels of fractions, without clipping: the metric's ground truth is what the file says.
std::array<double, 4> to_pixels(const std::array<double, 4>& xywh, const Dataset::PictureEntry& picture) {
  return {xywh[0] * picture.width, xywh[1] * picture.height, xywh[2] * picture.width, xywh[3] * picture.height};
}

/// For people: fractions of the file have no exact pixels.
std::array<double, 4> hundredths(std::array<double, 4> pixels) {
  for (double& value : pixels) value = std::round(value * 100) / 100;
  return pixels;
}

class YoloReader {
 public:
  YoloReader(Dataset& dataset, std::size_t classes, const KeyPointShape& key_points, ProblemCollector& problems)
      : dataset_(dataset), classes_(static_cast<std::int64_t>(classes)), key_points_(key_points), problems_(problems) {
    dataset_.sizes_are_annotated = false;
  }

  void add_picture(const fs::path& file, std::span<const std::int32_t> label_of) {
    Dataset::PictureEntry& picture = dataset_.pictures.emplace_back();
    picture.file = file;
    picture.id = static_cast<std::int64_t>(dataset_.pictures.size()) - 1;
    picture.readable = is_file(file);
    if (picture.readable) read_size(dataset_, picture, problems_);
    picture.first_box = static_cast<std::uint32_t>(dataset_.boxes.size());
    dataset_.truth.image_ids.push_back(picture.id);
    if (picture.readable) add_labels(picture, label_of);
  }

  std::int64_t label_files() const { return label_files_; }

  const LongRows& long_rows() const { return long_rows_; }

 private:
  void add_labels(Dataset::PictureEntry& picture, std::span<const std::int32_t> label_of) {
    const fs::path file = yolo_label_path(picture.file);
    picture.annotated = !is_absent(file);
    if (!picture.annotated) return;
    ++label_files_;
    const auto text = read_label_file(file, kLargestLabelFile, problems_);
    if (!text) return;
    const std::string place = file.string();
    for (const YoloBox& box : parse_yolo_labels(*text, place, classes_, problems_, key_points_)) {
      if (box.columns > kYoloBoxColumns) long_rows_.add(box.columns, box.doubtful, place, box.line);
      const std::array<double, 4> pixels = to_pixels(box.xywh, picture);
      const bool added = add_box(dataset_, pixels, label_of[static_cast<std::size_t>(box.label)], problems_, [&] {
        return place + ":" + std::to_string(box.line) + ": left, top, width, height " + box_text(hundredths(pixels)) +
               " pixels";
      });
      if (!added) continue;
      const auto annotation_id = static_cast<std::int64_t>(dataset_.truth.truths.size()) + 1;
      dataset_.truth.truths.push_back({picture.id, box.label, annotation_id, pixels, pixels[2] * pixels[3], false});
    }
  }

  Dataset& dataset_;
  std::int64_t classes_;
  const KeyPointShape& key_points_;
  ProblemCollector& problems_;
  std::int64_t label_files_ = 0;
  LongRows long_rows_;
};

}  // namespace

void read_yolo_dataset(const DatasetConfig& config, const DatasetConfig::Split& split,
                       const std::vector<std::string>* wanted, Dataset& dataset, ProblemCollector& problems) {
  const std::vector<std::string>& names = config.names;
  ClassList file{names, std::vector<std::int64_t>(names.size())};
  std::iota(file.category_ids.begin(), file.category_ids.end(), std::int64_t{0});
  dataset.truth.category_ids = file.category_ids;
  const std::vector<std::int32_t> label_of = set_classes(dataset, file, wanted, problems);

  const std::vector<fs::path> pictures = list_pictures(split.sources, problems, config.root);
  YoloReader reader(dataset, names.size(), config.key_points, problems);
  for (const fs::path& picture : pictures) reader.add_picture(picture, label_of);
  report_unwanted_classes(dataset, file, label_of, problems);
  if (auto fault = reader.long_rows().fault()) dataset.problems.push_back(std::move(*fault));
  const bool looked = std::ranges::any_of(dataset.pictures, &Dataset::PictureEntry::readable);
  if (looked && reader.label_files() == 0) {
    problems.add(needs_boxes(split.key) ? DataProblem::Severity::kError : DataProblem::Severity::kWarning,
                 "no_label_files", "no picture has a label file, looked for at e.g.",
                 [&] { return yolo_label_path(pictures.front()).string(); });
  }
}

}  // namespace rtdetr
