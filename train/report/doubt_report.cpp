#include "train/report/doubt_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/image/resize.h"
#include "core/plot/canvas.h"
#include "core/plot/contact_sheet.h"
#include "core/plot/draw.h"
#include "core/plot/drawable_text.h"
#include "train/report/text_layout.h"

namespace rtdetr {
namespace {

constexpr std::size_t kListedDoubts = 25, kDrawnDoubts = 24;
constexpr int kTileSide = 320;

/// A rectangle of a picture, whole pixels.
struct Surroundings {
  int x0 = 0, y0 = 0, x1 = 0, y1 = 0;
};

/// Detection and box with as much around them as they are large, at least 32 pixels.
Surroundings window_around(const LabelDoubt& doubt, const Picture& picture) {
  const auto& [x, y, w, h] = doubt.detection.box_xywh;
  double x0 = x, y0 = y, x1 = x + w, y1 = y + h;
  if (doubt.label) {
    const auto& [bx, by, bw, bh] = doubt.label->box_xywh;
    x0 = std::min(x0, bx), y0 = std::min(y0, by), x1 = std::max(x1, bx + bw), y1 = std::max(y1, by + bh);
  }
  const double margin = std::max({32.0, x1 - x0, y1 - y0}) / 2;
  const auto inside = [](double at, int low, int high) { return static_cast<int>(std::clamp<double>(at, low, high)); };
  Surroundings window;
  window.x0 = inside(std::floor(x0 - margin), 0, picture.width - 1);
  window.y0 = inside(std::floor(y0 - margin), 0, picture.height - 1);
  window.x1 = inside(std::ceil(x1 + margin), window.x0 + 1, picture.width);
  window.y1 = inside(std::ceil(y1 + margin), window.y0 + 1, picture.height);
  return window;
}

Picture part_of(const Picture& picture, const Surroundings& window) {
  Picture part(window.x1 - window.x0, window.y1 - window.y0);
  for (int y = window.y0; y < window.y1; ++y)
    std::copy_n(picture.row(y) + std::ptrdiff_t{3} * window.x0, std::ptrdiff_t{3} * part.width,
                part.row(y - window.y0));
  return part;
}

nlohmann::ordered_json box_json(const std::array<double, 4>& xywh) { return {xywh[0], xywh[1], xywh[2], xywh[3]}; }

}  // namespace

void DoubtReport::add(const std::string& split, Dataset dataset, const Evaluation& evaluation) {
  std::map<std::int64_t, std::size_t> index_of;
  for (std::size_t i = 0; i < dataset.pictures.size(); ++i) index_of[dataset.pictures[i].id] = i;
  LabelDoubts found = doubt_labels(dataset.truth, evaluation.detections, confidence_);
  unseen_ += found.unseen;
  for (LabelDoubt& doubt : found.doubts) {
    const auto picture = index_of.find(doubt.detection.image_id);
    if (picture != index_of.end()) entries_.push_back({std::move(doubt), splits_.size(), picture->second});
  }
  splits_.push_back({split, std::move(dataset)});
  std::ranges::stable_sort(entries_, std::greater<>(), [](const Entry& entry) { return entry.doubt.loss; });
}

std::int64_t DoubtReport::class_index(const Entry& entry, std::int64_t category_id) const {
  const std::vector<std::int64_t>& ids = dataset_of(entry).classes.category_ids;
  return std::ranges::find(ids, category_id) - ids.begin();
}

std::string DoubtReport::class_name(const Entry& entry, std::int64_t category_id) const {
  return dataset_of(entry).classes.names[static_cast<std::size_t>(class_index(entry, category_id))];
}

std::string DoubtReport::text() const {
  std::string text = counted(std::ssize(entries_), "annotation") + " doubted by detections from a confidence of " +
                     fixed(confidence_, 2) + " on; of " + counted(unseen_, "annotation") +
                     " nothing is detected, and nothing speaks against them\n";
  if (entries_.empty()) return text;
  TextTable table({{"loss"},
                   {"what", TextTable::Align::kLeft},
                   {"labelled", TextTable::Align::kLeft},
                   {"detected", TextTable::Align::kLeft},
                   {"IoU"},
                   {"picture", TextTable::Align::kLeft}});
  for (std::size_t i = 0; i < std::min(entries_.size(), kListedDoubts); ++i) {
    const Entry& entry = entries_[i];
    const LabelDoubt& doubt = entry.doubt;
    table.add({fixed(doubt.loss, 2), kDoubtWords[doubt.kind],
               doubt.label ? class_name(entry, doubt.label->category_id) : "-",
               label_text(class_name(entry, doubt.detection.category_id), doubt.detection.score),
               doubt.label ? fixed(doubt.iou, 2) : "-", picture_of(entry).file.string()});
  }
  text += "\n" + table.text();
  if (entries_.size() > kListedDoubts)
    text += with_thousands(static_cast<long long>(entries_.size() - kListedDoubts)) + " more; json=true has all\n";
  return text;
}

nlohmann::ordered_json DoubtReport::json() const {
  nlohmann::ordered_json doubts = nlohmann::ordered_json::array();
  for (const Entry& entry : entries_) {
    const LabelDoubt& doubt = entry.doubt;
    nlohmann::ordered_json row{{"kind", kDoubtWords[doubt.kind]},
                               {"loss", doubt.loss},
                               {"split", splits_[entry.split].key},
                               {"picture", picture_of(entry).file.string()},
                               {"label", nullptr},
                               {"detected",
                                {{"name", class_name(entry, doubt.detection.category_id)},
                                 {"score", doubt.detection.score},
                                 {"box_xywh", box_json(doubt.detection.box_xywh)}}},
                               {"iou", doubt.iou}};
    if (doubt.label)
      row["label"] = {{"name", class_name(entry, doubt.label->category_id)},
                      {"annotation_id", doubt.label->annotation_id},
                      {"box_xywh", box_json(doubt.label->box_xywh)}};
    doubts.push_back(std::move(row));
  }
  return {{"confidence", confidence_}, {"unseen", unseen_}, {"doubts", std::move(doubts)}};
}

Picture DoubtReport::tile(const Entry& entry) const {
  const Dataset& dataset = dataset_of(entry);
  const Picture whole = read_picture_of(dataset, picture_of(entry));
  const Surroundings window = window_around(entry.doubt, whole);
  const Picture part = part_of(whole, window);
  const double scale = static_cast<double>(kTileSide) / std::max(part.width, part.height);
  const auto scaled = [&](int side) { return std::max(1, static_cast<int>(std::lround(side * scale))); };
  Picture tile = resize(part, scaled(part.width), scaled(part.height));
  const auto at = [&](double x, double y) { return Point{(x - window.x0) * scale, (y - window.y0) * scale}; };

  Canvas canvas(tile);
  for (const MetricTruth& truth : dataset.truth.truths) {
    if (truth.image_id != entry.doubt.detection.image_id || truth.crowd) continue;
    const auto& [x, y, w, h] = truth.box_xywh;
    const bool doubted = entry.doubt.label && entry.doubt.label->box_xywh == truth.box_xywh;
    canvas.rectangle(at(x, y), at(x + w, y + h), kWhite, doubted ? 5 : 3);
    canvas.rectangle(at(x, y), at(x + w, y + h), kBlack, doubted ? 3 : 1);
  }
  const auto& [x, y, w, h] = entry.doubt.detection.box_xywh;
  const Point from = at(x, y), to = at(x + w, y + h);
  const std::int64_t label = class_index(entry, entry.doubt.detection.category_id);
  draw_boxes(
      tile,
      std::vector<DrawnBox>{
          {static_cast<float>(from.x), static_cast<float>(from.y), static_cast<float>(to.x), static_cast<float>(to.y),
           label, label_text(class_name(entry, entry.doubt.detection.category_id), entry.doubt.detection.score)}},
      {.line_width = 2, .text_height = 9});
  return tile;
}

Picture DoubtReport::sheet() const {
  std::vector<Tile> tiles;
  for (std::size_t i = 0; i < std::min(entries_.size(), kDrawnDoubts); ++i) {
    const Entry& entry = entries_[i];
    std::string caption = std::to_string(i + 1) + " " + kDoubtWords[entry.doubt.kind];
    if (entry.doubt.label) {
      const std::int64_t id = entry.doubt.label->category_id;
      caption += ", labelled " + drawable_name(class_name(entry, id), class_index(entry, id));
    }
    try {
      tiles.push_back({tile(entry), caption + ": " + picture_of(entry).file.filename().string()});
    } catch (const Error&) {
      continue;  // named in the report
    }
  }
  return contact_sheet(tiles, {.columns = 0, .tile_width = kTileSide, .tile_height = kTileSide});
}

}  // namespace rtdetr
