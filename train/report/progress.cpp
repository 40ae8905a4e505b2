#include "train/report/progress.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <string_view>

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "core/base/log.h"
#include "core/base/progress.h"
#include "core/base/text.h"
#include "train/report/output.h"

namespace rtdetr {
namespace {

std::string number(double value, const char* format) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

double smoothed(double average, double value) {
  constexpr double kShare = 0.05;
  return average == 0 ? value : average + kShare * (value - average);
}

/// The last decoder layer's terms: loss_vfl, but not loss_vfl_aux_0.
std::string main_terms(const ProgressPoint& point) {
  constexpr std::string_view kPrefix = "loss_";
  std::string text;
  for (const auto& [name, value] : point.terms) {
    if (!name.starts_with(kPrefix) || name.find('_', kPrefix.size()) != std::string::npos) continue;
    text += (text.empty() ? "" : " ") + name.substr(kPrefix.size()) + number(value, " %.3g");
  }
  return text;
}

/// "[====>     ]"
std::string bar_of(std::int64_t done, std::int64_t all) {
  constexpr std::int64_t kWidth = 10;
  const std::int64_t full = all > 0 ? std::clamp<std::int64_t>(done * kWidth / all, 0, kWidth) : 0;
  std::string text(static_cast<std::size_t>(full), '=');
  if (full < kWidth) text += '>';
  text.resize(kWidth, ' ');
  return "[" + text + "]";
}

/// A part of a line; of importance 0 it is always there.
struct LinePart {
  int importance = 0;
  std::string text;
};

/// In their order those for which there is room, by importance. @param columns  0 = for all
std::string fitting(std::vector<LinePart> parts, std::size_t columns) {
  std::size_t length = 0;
  for (int importance = 0; importance <= static_cast<int>(parts.size()); ++importance) {
    for (LinePart& part : parts) {
      if (part.importance != importance) continue;
      if (importance > 0 && columns > 0 && length + part.text.size() > columns) part.text.clear();
      length += part.text.size();
    }
  }
  std::string line;
  for (const LinePart& part : parts) line += part.text;
  return line;
}

}  // namespace

void ProgressLine::show(const ProgressPoint& point) {
  note(point);
  log::progress(line(point, log::live_columns()), log::tells_json() ? json_line(event(point)) : "");
}

void ProgressLine::note(const ProgressPoint& point) {
  seconds_per_step_ = smoothed(seconds_per_step_, point.step_seconds);
  wait_per_step_ = smoothed(wait_per_step_, point.wait_seconds);
  pictures_per_step_ = smoothed(pictures_per_step_, static_cast<double>(point.pictures));
}

double ProgressLine::seconds_left(const ProgressPoint& point) const {
  const double training =
      point.remaining_seconds >= 0 ? point.remaining_seconds : point.remaining_steps * seconds_per_step_;
  return training + point.validations * point.validation_seconds;
}

std::string ProgressLine::line(const ProgressPoint& point, std::size_t columns) const {
  constexpr std::size_t kRoomForBar = 70;
  const std::string epochs = point.epochs > 0 ? "/" + std::to_string(point.epochs) : "",
                    bar = columns >= kRoomForBar ? bar_of(point.step, point.steps) : "step",
                    more = point.validations > 0 && point.validation_seconds == 0 ? " + validations" : "";
  return fitting({{0, "epoch " + std::to_string(point.epoch + 1) + epochs + "  " + bar + " " +
                          std::to_string(point.step) + "/" + std::to_string(point.steps)},
                  {0, "  ETA " + format_duration(seconds_left(point)) + more},
                  {1, number(pictures_per_step_ / std::max(seconds_per_step_, 1e-9), "  %.1f img/s")},
                  {2, number(100 * wait_per_step_ / std::max(seconds_per_step_, 1e-9), "  data %.0f %%")},
                  {0, number(point.loss, "  loss %.2f")},
                  {3, " (" + main_terms(point) + ")"},
                  {4, number(resident_mib(), "  %.0f MiB")}},
                 columns);
}

nlohmann::ordered_json ProgressLine::event(const ProgressPoint& point) const {
  nlohmann::ordered_json event{{"type", "step"}, {"epoch", point.epoch + 1}, {"epochs", nullptr}};
  if (point.epochs > 0) event["epochs"] = point.epochs;
  event["step"] = point.step;
  event["steps"] = point.steps;
  event["eta_s"] = seconds_left(point);
  event["loss"] = point.loss;
  event["losses"] = nlohmann::ordered_json::object();
  for (const auto& [name, value] : point.terms) event["losses"][name] = value;
  event["images_per_s"] = pictures_per_step_ / std::max(seconds_per_step_, 1e-9);
  event["wait_share"] = wait_per_step_ / std::max(seconds_per_step_, 1e-9);
  event["memory_mib"] = resident_mib();
  return event;
}

void ProgressLine::end() {
  *this = {};
  log::end_progress();
}

double resident_mib() {
  std::ifstream file("/proc/self/statm");
  double total = 0, resident = 0;
  if (!(file >> total >> resident)) return 0;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

}  // namespace rtdetr
