#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/image/picture.h"
#include "data/dataset/dataset.h"

namespace rtdetr {

/// What one split holds.
struct SplitReport {
  std::string key;     ///< "train", "val", "test"; "" for a lone annotation file
  std::string format;  ///< "COCO", "labelme", …: what its annotations are read as
  std::int64_t pictures = 0;
  std::int64_t pictures_without_boxes = 0;
  struct NamedFiles {
    std::int64_t count = 0;
    std::vector<std::string> first;  ///< at most kMostNamed of them, without folders
  };
  /// Those pictures, by whether they have a label file; an empty one may be one whose boxes were all left out.
  struct WithoutBoxes {
    NamedFiles no_label_file, empty_label_file;
  };
  std::optional<WithoutBoxes> without_boxes;  ///< of formats with a label file for each picture: YOLO, VOC, KITTI
  std::int64_t unreadable_pictures = 0;       ///< missing ones among them
  std::int64_t boxes = 0;                     ///< training boxes: usable, no crowds
  std::int64_t crowds = 0;
  std::int64_t max_boxes = 0;                   ///< most boxes of one picture
  std::vector<std::int64_t> boxes_per_class;    ///< by class index
  std::array<std::int64_t, 3> boxes_by_size{};  ///< below 32², 32² to 96², from 96² pixels
  struct Range {
    int min = 0, median = 0, max = 0;
  };
  Range width, height;                  ///< of the pictures, pixels
  Range box_side;                       ///< root of the boxes' areas at the network's size, its pixels
  std::int64_t boxes_below_stride = 0;  ///< boxes with a side below kFinestStride there
  std::int64_t squeezed_pictures = 0;   ///< whose shape the network's size changes by more than kMostSqueeze
  double aspect = 1;                    ///< median width / height of the pictures
};

inline constexpr int kFinestStride = 8;    ///< of the models' first feature map, pixels
inline constexpr double kMostSqueeze = 2;  ///< a factor between the two axes' scales
inline constexpr std::size_t kMostNamed = 3;

struct DatasetReport {
  std::string name;
  ClassList classes;
  std::vector<SplitReport> splits;
  std::vector<DataProblem> problems;  ///< errors first
  std::vector<std::string> advice;    ///< sentences: what to do about the problems, what would train better
  Picture labels;                     ///< see CheckOptions::label_tiles; empty if not asked for
  struct NearDuplicate {
    std::string picture, other;  ///< with their splits: "val: b.jpg"; the other one of an earlier split
    int bits = 0;                ///< in which their hashes differ
  };
  std::vector<NearDuplicate> near_duplicates;  ///< pictures that look alike in two splits
  Picture near_duplicate_sheet;  ///< the first of them, where labels are asked for; empty if there are none
};

struct CheckOptions {
  std::int64_t queries = 300;              ///< pictures with more boxes than the model has queries are reported
  std::int64_t height = 640, width = 640;  ///< of the network's input: sizes are judged at it
  int label_tiles = 0;                     ///< pictures of the first split that are shown with their boxes
  int threads = 1;
  PictureLimits limits;  ///< of check_coco's pictures; check_dataset takes the config's
  /// Called now and then, never at the same time by two threads. May be empty.
  std::function<void(const std::string& split, std::int64_t done, std::int64_t total)> progress;
};

/// Reads everything and reports all problems at once instead of throwing at the first.
DatasetReport check_dataset(const DatasetConfig& config, const CheckOptions& options = {});
DatasetReport check_coco(const std::filesystem::path& annotations, const std::filesystem::path& images,
                         const CheckOptions& options = {});

}  // namespace rtdetr
