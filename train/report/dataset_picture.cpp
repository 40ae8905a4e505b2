#include "train/report/dataset_picture.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "core/base/text.h"
#include "core/plot/chart.h"
#include "core/plot/contact_sheet.h"
#include "core/plot/drawable_text.h"
#include "core/plot/histogram.h"

namespace rtdetr {
namespace {

constexpr int kWidth = 640, kHeight = 480;

/// The classes with the most boxes, and the others together.
Picture class_chart(const Dataset& dataset) {
  constexpr std::size_t kMostBars = 24;
  std::vector<Bar> bars;
  for (const std::string& name : dataset.classes.names) bars.push_back({drawable_name(name, std::ssize(bars)), 0});
  for (const Dataset::BoxEntry& box : dataset.boxes) bars[static_cast<std::size_t>(box.label)].value += 1;
  std::stable_sort(bars.begin(), bars.end(), [](const Bar& a, const Bar& b) { return a.value > b.value; });
  if (bars.size() > kMostBars) {
    Bar others{std::to_string(bars.size() - kMostBars + 1) + " others", 0};
    for (std::size_t i = kMostBars - 1; i < bars.size(); ++i) others.value += bars[i].value;
    bars.resize(kMostBars - 1);
    bars.push_back(others);
  }
  return bar_chart(bars, {.title = "boxes by class", .width = kWidth, .height = kHeight});
}

/// 0, 1, 2 to 3, 4 to 7, …
Picture crowding_chart(const Dataset& dataset) {
  std::map<std::uint32_t, double> pictures;  // by the first number of the range
  for (const Dataset::PictureEntry& picture : dataset.pictures) {
    std::uint32_t low = picture.box_count == 0 ? 0 : 1;
    while (low > 0 && low * 2 <= picture.box_count) low *= 2;
    pictures[low] += 1;
  }
  std::vector<Bar> bars;
  for (const auto& [low, count] : pictures) {
    bars.push_back({std::to_string(low) + (low > 1 ? " to " + std::to_string(2 * low - 1) : ""), count});
  }
  return bar_chart(bars, {.title = "pictures by their number of boxes", .width = kWidth, .height = kHeight});
}

struct Shares {
  std::vector<double> centre_x, centre_y, width, height;
};

Shares shares_of(const Dataset& dataset) {
  Shares shares;
  for (const Dataset::PictureEntry& picture : dataset.pictures) {
    for (std::uint32_t i = picture.first_box; i < picture.first_box + picture.box_count; ++i) {
      const auto& [x0, y0, x1, y1] = dataset.boxes[i].xyxy;
      shares.centre_x.push_back((x0 + x1) / 2 / picture.width);
      shares.centre_y.push_back((y0 + y1) / 2 / picture.height);
      shares.width.push_back((x1 - x0) / picture.width);
      shares.height.push_back((y1 - y0) / picture.height);
    }
  }
  return shares;
}

}  // namespace

void write_dataset_picture(const Dataset& dataset, const std::filesystem::path& jpg) {
  const Shares shares = shares_of(dataset);
  const ChartOptions centres{.title = "box centres in their pictures", .width = kWidth, .height = kHeight};
  const ChartOptions sizes{.title = "box sizes, share of the picture",
                           .x_label = "width",
                           .y_label = "height",
                           .width = kWidth,
                           .height = kHeight};
  const std::vector<Tile> tiles{{class_chart(dataset), ""},
                                {crowding_chart(dataset), ""},
                                {density_chart(shares.centre_x, shares.centre_y, Origin::kTopLeft, centres), ""},
                                {density_chart(shares.width, shares.height, Origin::kBottomLeft, sizes), ""}};
  write_picture(jpg, contact_sheet(tiles, {.columns = 2, .tile_width = kWidth, .tile_height = kHeight}));
}

}  // namespace rtdetr
