#include "train/report/worst_pictures.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

#include "core/base/error.h"
#include "core/image/picture_codecs.h"
#include "core/plot/canvas.h"
#include "core/plot/draw.h"
#include "core/plot/thumbnail.h"

namespace rtdetr {
namespace {

constexpr int kLongestSidePixels = 400;
constexpr int kJpegQuality = 85;

void draw_truth(Thumbnail& shown, const Dataset& dataset, const Dataset::PictureEntry& entry) {
  Canvas canvas(shown.picture);
  for (std::uint32_t i = 0; i < entry.box_count; ++i) {
    const auto& [x0, y0, x1, y1] = dataset.boxes[entry.first_box + i].xyxy;
    const Point from{x0 * shown.scale_x, y0 * shown.scale_y}, to{x1 * shown.scale_x, y1 * shown.scale_y};
    canvas.rectangle(from, to, kWhite, 3);
    canvas.rectangle(from, to, kBlack, 1);
  }
}

/// In pixels of the whole picture.
std::vector<DrawnBox> drawn_detections(const Dataset& dataset, const std::vector<const MetricDetection*>& found) {
  const auto& ids = dataset.classes.category_ids;
  std::vector<DrawnBox> boxes;
  for (const MetricDetection* one : found) {
    const auto label = std::find(ids.begin(), ids.end(), one->category_id) - ids.begin();
    const auto& [x, y, w, h] = one->box_xywh;
    boxes.push_back({static_cast<float>(x), static_cast<float>(y), static_cast<float>(x + w), static_cast<float>(y + h),
                     label, label_text(dataset.classes.names[static_cast<std::size_t>(label)], one->score)});
  }
  return boxes;
}

std::vector<PictureCounts> worst_first(std::vector<PictureCounts> pictures) {
  std::erase_if(pictures, [](const PictureCounts& one) { return one.counts.wrong + one.counts.missed == 0; });
  std::ranges::stable_sort(pictures, [](const PictureCounts& a, const PictureCounts& b) {
    if (a.counts.f1() != b.counts.f1()) return a.counts.f1() < b.counts.f1();
    return a.counts.wrong + a.counts.missed > b.counts.wrong + b.counts.missed;
  });
  return pictures;
}

}  // namespace

std::vector<WorstPicture> worst_pictures(const Dataset& dataset, const Evaluation& evaluation,
                                         const DetectionReport& report, std::size_t most) {
  std::map<std::int64_t, std::int64_t> index_of;
  for (std::size_t i = 0; i < dataset.pictures.size(); ++i)
    index_of[dataset.pictures[i].id] = static_cast<std::int64_t>(i);
  std::map<std::int64_t, std::vector<const MetricDetection*>> found_in;
  for (const MetricDetection& found : evaluation.detections)
    if (found.score >= report.confusion.confidence) found_in[found.image_id].push_back(&found);

  std::vector<WorstPicture> worst;
  for (const PictureCounts& one : worst_first(report.pictures)) {
    if (worst.size() == most) break;
    const auto index = index_of.find(one.image_id);
    if (index == index_of.end()) continue;
    const Dataset::PictureEntry& entry = dataset.pictures[static_cast<std::size_t>(index->second)];
    try {
      Thumbnail shown = thumbnail(load_sample(dataset, index->second).picture, kLongestSidePixels, kLongestSidePixels);
      draw_truth(shown, dataset, entry);
      draw_boxes(shown.picture, shown.scaled(drawn_detections(dataset, found_in[one.image_id])));
      const std::vector<std::byte> jpeg = encode_jpeg(shown.picture, kJpegQuality);
      worst.push_back({entry.file.filename().string(), one.counts,
                       std::string(reinterpret_cast<const char*>(jpeg.data()), jpeg.size())});
    } catch (const Error&) {  // told where it was read first
      continue;
    }
  }
  return worst;
}

std::string base64(const std::string& bytes) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k)
      group = group << 8U | (k < left ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) text += k <= left ? kLetters[group >> (18U - 6U * k) & 63U] : '=';
  }
  return text;
}

}  // namespace rtdetr
