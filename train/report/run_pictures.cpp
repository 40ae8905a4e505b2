#include "train/report/run_pictures.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <map>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/plot/chart.h"
#include "core/plot/contact_sheet.h"
#include "core/plot/draw.h"
#include "core/plot/thumbnail.h"
#include "data/tools/label_picture.h"
#include "train/report/detection_report.h"
#include "train/report/result_curves.h"
#include "train/run/run_log.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kTiles = 16;

struct Chart {
  std::vector<ChartSeries> curves;
  ChartOptions options;
};

Chart loss_chart(const ResultsTable& table, const std::string& of) {
  std::vector<ChartSeries> curves;
  for (const auto& [column, name] : {std::pair{"/cls_loss", "class"},
                                     {"/l1_loss", "box L1"},
                                     {"/giou_loss", "box GIoU"},
                                     {"/box_loss", "box CIoU"},
                                     {"/dfl_loss", "sides (DFL)"}}) {
    if (table.find(of + column) != nullptr) curves.push_back(column_curve(table, of + column, name));
  }
  return {std::move(curves),
          {.title = (of == "train" ? "training" : "validation") + std::string(" loss, last layer"),
           .x_label = place_title(table),
           .y_low = 0}};
}

Chart metric_chart(const ResultsTable& table) {
  return {
      {column_curve(table, "metrics/mAP50-95(B)", "AP"), column_curve(table, "metrics/mAP50(B)", "AP50"),
       column_curve(table, "metrics/precision(B)", "precision"), column_curve(table, "metrics/recall(B)", "recall")},
      {.title = "validation", .x_label = place_title(table), .y_low = 0, .y_high = 1}};
}

Chart layer_chart(const ResultsTable& table) {
  Chart chart{{}, {.title = "AP by decoder layer", .x_label = place_title(table), .y_low = 0}};
  const std::string before = "layer", behind = "/AP";
  for (const std::string& title : table.titles) {
    if (!title.starts_with(before) || !title.ends_with(behind)) continue;
    const std::string number = title.substr(before.size(), title.size() - before.size() - behind.size());
    chart.curves.push_back(column_curve(table, title, number == "0" ? "encoder" : "layer " + number));
  }
  return chart;
}

Chart rate_chart(const ResultsTable& table) {
  const std::string place = place_title(table), when = place == kStepTitle ? "" : " at the epoch's end";
  Chart chart{{}, {.title = "learning rate" + when, .x_label = place, .y_low = 0}};
  for (int group = 0; table.find("lr/pg" + std::to_string(group)) != nullptr; ++group) {
    chart.curves.push_back(column_curve(table, "lr/pg" + std::to_string(group), "group " + std::to_string(group)));
  }
  return chart;
}

bool has_points(const Chart& chart) {
  return std::ranges::any_of(chart.curves, [](const ChartSeries& curve) { return !curve.x.empty(); });
}

/// One picture of a batch, back to bytes.
Picture picture_of(const Batch& batch, std::int64_t index) {
  Picture picture(static_cast<int>(batch.width), static_cast<int>(batch.height));
  const std::int64_t plane = batch.height * batch.width;
  const float* values = batch.images.data() + index * 3 * plane;
  for (std::int64_t i = 0; i < plane; ++i) {
    for (std::int64_t c = 0; c < 3; ++c) {
      picture.rgb[static_cast<std::size_t>(3 * i + c)] =
          static_cast<std::uint8_t>(std::clamp(values[c * plane + i] * 255.0F + 0.5F, 0.0F, 255.0F));
    }
  }
  return picture;
}

/// As large as the batch's pictures are, when they are small.
ContactSheetOptions tiles_for(const Batch& batch) {
  constexpr double kMost = 320;
  constexpr int kLeast = 96;  // a caption fits
  const double scale = std::min(1.0, kMost / static_cast<double>(std::max(batch.height, batch.width)));
  const auto side = [&](std::int64_t pixels) {
    return std::max(kLeast, static_cast<int>(std::lround(static_cast<double>(pixels) * scale)));
  };
  return {.columns = 0, .tile_width = side(batch.width), .tile_height = side(batch.height)};
}

std::vector<DrawnBox> boxes_of(const Batch::Image& image, const Batch& batch, const ClassList& classes) {
  std::vector<DrawnBox> boxes;
  const PictureSize& own = image.placement.unit;
  const auto width = static_cast<float>(batch.is_padded ? own.width : batch.width),
             height = static_cast<float>(batch.is_padded ? own.height : batch.height);
  for (std::size_t i = 0; i < image.labels.size(); ++i) {
    const float* box = image.boxes_cxcywh.data() + 4 * i;
    const float half_width = box[2] / 2, half_height = box[3] / 2;
    boxes.push_back({(box[0] - half_width) * width, (box[1] - half_height) * height, (box[0] + half_width) * width,
                     (box[1] + half_height) * height, image.labels[i],
                     label_text(classes.names[static_cast<std::size_t>(image.labels[i])])});
  }
  return boxes;
}

/// The smallest score that is drawn, and what captions say of it.
struct ShownScore {
  double least = 0.25;
  std::string caption = "from 0.25 on";
};

/// Where F1 is best, if anything is found at all: early in a run that is far from any fixed score.
ShownScore shown_score(const Dataset& dataset, const Evaluation& evaluation) {
  const std::optional<double> best = best_confidence(evaluation, dataset);
  return best ? ShownScore{*best, "from " + two_digits(*best) + " on (best F1)"} : ShownScore{};
}

/// Shown detections by picture id, best first.
std::map<std::int64_t, std::vector<DrawnBox>> shown_detections(const Dataset& dataset, const Evaluation& evaluation,
                                                               double least) {
  const auto& ids = dataset.classes.category_ids;
  std::map<std::int64_t, std::vector<DrawnBox>> by_picture;
  for (const MetricDetection& found : evaluation.detections) {
    if (found.score < least) continue;
    const auto label = std::find(ids.begin(), ids.end(), found.category_id) - ids.begin();
    const auto& [x, y, w, h] = found.box_xywh;
    by_picture[found.image_id].push_back(
        {static_cast<float>(x), static_cast<float>(y), static_cast<float>(x + w), static_cast<float>(y + h), label,
         label_text(dataset.classes.names[static_cast<std::size_t>(label)], found.score)});
  }
  return by_picture;
}

}  // namespace

void draw_or_warn(const std::function<void()>& draw, const std::string& otherwise) {
  try {
    draw();
  } catch (const std::exception& error) {
    log::end_progress();
    log::warning(otherwise + ": " + error.what());
  }
}

void write_results_picture(const std::filesystem::path& results_csv, const std::filesystem::path& png) {
  const ResultsTable table = read_results(results_csv);
  if (table.titles.empty()) return;
  std::vector<Tile> tiles;
  for (const Chart& chart : {loss_chart(table, "train"), loss_chart(table, "val"), metric_chart(table),
                             layer_chart(table), rate_chart(table)}) {
    if (has_points(chart)) tiles.push_back({line_chart(chart.curves, chart.options), ""});
  }
  if (tiles.empty()) return;
  write_picture(png, contact_sheet(tiles, {.columns = 3, .tile_width = 640, .tile_height = 420}));
}

void write_batch_picture(const Batch& batch, const Dataset& dataset, const std::filesystem::path& jpg) {
  std::vector<Tile> tiles;
  for (std::int64_t i = 0; i < std::min(batch.size, kTiles); ++i) {
    const Batch::Image& image = batch.targets[static_cast<std::size_t>(i)];
    const Dataset::PictureEntry& entry = dataset.pictures[static_cast<std::size_t>(image.picture_index)];
    tiles.push_back({picture_of(batch, i), entry.file.filename().string()});
    draw_boxes(tiles.back().picture, boxes_of(image, batch, dataset.classes));
  }
  write_picture(jpg, contact_sheet(tiles, tiles_for(batch)));
}

void write_validation_pictures(const Dataset& dataset, const Evaluation& evaluation,
                               const std::filesystem::path& folder) {
  const ShownScore shown = shown_score(dataset, evaluation);
  const auto detections = shown_detections(dataset, evaluation, shown.least);
  const auto count = static_cast<std::int64_t>(dataset.pictures.size());
  const ContactSheetOptions sheet;
  for (std::int64_t part = 0; part < 3 && part * kTiles < count; ++part) {
    std::vector<Tile> labels, predictions;
    for (std::int64_t i = part * kTiles; i < std::min(count, (part + 1) * kTiles); ++i) {
      const Dataset::PictureEntry& entry = dataset.pictures[static_cast<std::size_t>(i)];
      const Thumbnail small = thumbnail(load_sample(dataset, i).picture, sheet.tile_width, sheet.tile_height);
      labels.push_back({small.picture, entry.file.filename().string()});
      predictions.push_back({small.picture, shown.caption + ": " + labels.back().caption});
      draw_boxes(labels.back().picture, small.scaled(label_boxes(dataset, entry)));
      const auto found = detections.find(entry.id);
      if (found != detections.end()) draw_boxes(predictions.back().picture, small.scaled(found->second));
    }
    const std::string stem = "val_batch" + std::to_string(part);
    write_picture(folder / (stem + "_labels.jpg"), contact_sheet(labels, sheet));
    write_picture(folder / (stem + "_pred.jpg"), contact_sheet(predictions, sheet));
  }
}

}  // namespace rtdetr
