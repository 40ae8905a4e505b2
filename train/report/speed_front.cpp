#include "train/report/speed_front.h"

#include <algorithm>
#include <map>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "core/plot/chart.h"
#include "train/report/output.h"

namespace rtdetr {

namespace {

std::string size_text(const ImageSize& size) {
  const std::string height = std::to_string(size.height);
  return size.height == size.width ? height : height + "," + std::to_string(size.width);
}

bool beats(const SpeedPoint& a, const SpeedPoint& b) {
  return a.ap >= b.ap && a.ms <= b.ms && (a.ap > b.ap || a.ms < b.ms);
}

}  // namespace

void find_front(std::vector<SpeedPoint>& points) {
  std::stable_sort(points.begin(), points.end(), [](const auto& a, const auto& b) { return a.ms < b.ms; });
  for (SpeedPoint& point : points) {
    const auto better = std::ranges::find_if(points, [&](const SpeedPoint& other) { return beats(other, point); });
    point.beaten_by.reset();
    if (better != points.end()) point.beaten_by = static_cast<std::size_t>(better - points.begin());
  }
}

const SpeedPoint* best_within(const std::vector<SpeedPoint>& points, double budget_ms) {
  const SpeedPoint* best = nullptr;
  for (const SpeedPoint& point : points)
    if (point.ms <= budget_ms && (best == nullptr || point.ap > best->ap)) best = &point;
  return best;
}

std::string keys_of(const SpeedPoint& point) {
  std::string keys = "decoder_layers=" + std::to_string(point.decoder_layers);
  if (point.num_queries > 0) keys += " num_queries=" + std::to_string(point.num_queries);
  keys += " imgsz=" + size_text(point.size);
  return keys + " amp=" + (point.precision == Precision::kFloat32 ? "off" : precision_name(point.precision));
}

std::string front_table(const std::vector<SpeedPoint>& points) {
  TextTable table({{"point"}, {"ms"}, {"AP"}, {"AP50"}, {"layers"}, {"queries"}, {"imgsz"}, {"type"}, {"beaten by"}});
  for (std::size_t i = 0; i < points.size(); ++i) {
    const SpeedPoint& point = points[i];
    const std::string place = point.beaten_by ? std::to_string(*point.beaten_by + 1) : "front";
    table.add({std::to_string(i + 1), fixed(point.ms, 2), fixed(point.ap, 4), fixed(point.ap50, 4),
               std::to_string(point.decoder_layers), point.num_queries > 0 ? std::to_string(point.num_queries) : "-",
               size_text(point.size), precision_name(point.precision), place});
  }
  return table.text();
}

nlohmann::ordered_json front_json(const std::vector<SpeedPoint>& points) {
  auto rows = nlohmann::ordered_json::array();
  for (const SpeedPoint& point : points) {
    rows.push_back({{"decoder_layers", point.decoder_layers},
                    {"num_queries", point.num_queries},
                    {"imgsz", {point.size.height, point.size.width}},
                    {"precision", precision_name(point.precision)},
                    {"ms", point.ms},
                    {"ap", point.ap},
                    {"ap50", point.ap50},
                    {"beaten_by", nullptr},
                    {"keys", keys_of(point)}});
    if (point.beaten_by) rows.back()["beaten_by"] = *point.beaten_by;
  }
  return rows;
}

Picture front_picture(const std::vector<SpeedPoint>& points, const std::string& title, double budget_ms) {
  ChartSeries front{.name = "front", .x = {}, .y = {}, .notes = {}};
  std::map<std::pair<std::int64_t, std::int64_t>, ChartSeries> by_size;
  double low = 1, high = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const SpeedPoint& point = points[i];
    ChartSeries& dots = by_size[{point.size.height, point.size.width}];
    dots.name = "imgsz=" + size_text(point.size);
    dots.dots_only = true;
    dots.x.push_back(point.ms), dots.y.push_back(point.ap);
    low = std::min(low, point.ap), high = std::max(high, point.ap);
    if (point.beaten_by) continue;
    front.x.push_back(point.ms), front.y.push_back(point.ap);
    front.notes.push_back(std::to_string(i + 1));
  }
  std::vector<ChartSeries> series{std::move(front)};
  for (auto& [size, dots] : by_size) series.push_back(std::move(dots));
  constexpr double kFarAway = 1.5;  // would press the points together
  if (budget_ms > 0 && budget_ms < kFarAway * points.back().ms)
    series.push_back({.name = "budget", .x = {budget_ms, budget_ms}, .y = {low, high}});
  return line_chart(series,
                    {.title = title, .x_label = "ms per picture", .y_label = "AP", .width = 800, .height = 520});
}

}  // namespace rtdetr
