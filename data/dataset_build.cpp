#include "data/dataset_build.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/io/error.h"
#include "core/io/exif.h"
#include "core/io/text.h"

namespace rtdetr {

namespace fs = std::filesystem;

BoxFault make_training_box(const std::array<double, 4>& box_xywh, int width, int height, std::array<float, 4>& xyxy) {
  if (!std::all_of(box_xywh.begin(), box_xywh.end(), [](double v) { return std::isfinite(v); })) {
    return BoxFault::kNotFinite;
  }
  const auto [x, y, w, h] = box_xywh;
  if (w < 0 || h < 0) return BoxFault::kInverted;
  if (w == 0 || h == 0) return BoxFault::kZeroArea;
  if (x >= width || y >= height || x + w <= 0 || y + h <= 0) return BoxFault::kOutside;

  const auto right = static_cast<float>(width), bottom = static_cast<float>(height);
  const auto left_f = static_cast<float>(x), top_f = static_cast<float>(y);
  xyxy = {std::clamp(left_f, 0.f, right), std::clamp(top_f, 0.f, bottom),
          std::clamp(left_f + static_cast<float>(w), 0.f, right),
          std::clamp(top_f + static_cast<float>(h), 0.f, bottom)};
  if (!(xyxy[2] > xyxy[0] && xyxy[3] > xyxy[1])) return BoxFault::kZeroArea;

  constexpr double kRounding = 1;  // pixels that annotation tools are off at the edge
  const double beyond = std::max({-x, -y, x + w - width, y + h - height});
  return beyond > kRounding ? BoxFault::kClipped : BoxFault::kNone;
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

void read_size(const Dataset& dataset, Dataset::PictureEntry& picture, ProblemCollector& problems) {
  try {
    const PictureSize size = dataset.exif ? read_upright_picture_size(picture.file) : read_picture_size(picture.file);
    picture.width = size.width;
    picture.height = size.height;
  } catch (const Error& fault) {
    picture.readable = false;
    problems.error("unreadable_picture", "pictures cannot be read", [&] { return std::string(fault.what()); });
  }
}

bool stays_inside(const std::string& name) {
  const fs::path path(name);
  if (name.empty() || name.find('\0') != std::string::npos || path.is_absolute()) return false;
  int depth = 0;
  for (const fs::path& part : path) {
    if (part == "..") {
      if (--depth < 0) return false;
    } else if (part != "." && !part.empty()) {
      ++depth;
    }
  }
  return depth > 0;
}

std::string box_text(const std::array<double, 4>& box) {
  std::vector<std::string> numbers;
  for (const double value : box) numbers.push_back(format_double(value));
  std::string text = "[";
  return text.append(join(numbers, ", ")).append("]");
}

std::vector<std::int32_t> set_classes(Dataset& dataset, const ClassList& file, const std::vector<std::string>* wanted,
                                      ProblemCollector& problems) {
  ClassMapping mapping = map_classes(file, wanted ? *wanted : file.names, dataset.name);
  for (const std::string& name : mapping.absent) {
    problems.warn("class_absent", "classes of the model that the data set does not have; they are not evaluated",
                  [&] { return "'" + name + "'"; });
  }
  dataset.classes = std::move(mapping.classes);
  return std::move(mapping.index_of);
}

}  // namespace rtdetr
