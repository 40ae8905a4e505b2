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

}  // namespace

void ProgressLine::show(const ProgressPoint& point) {
  note(point);
  log::progress(line(point, log::is_live()), log::tells_json() ? json_line(event(point)) : "");
}

void ProgressLine::note(const ProgressPoint& point) {
  seconds_per_step_ = smoothed(seconds_per_step_, point.step_seconds);
  wait_per_step_ = smoothed(wait_per_step_, point.wait_seconds);
  pictures_per_step_ = smoothed(pictures_per_step_, static_cast<double>(point.pictures));
}

double ProgressLine::seconds_left(const ProgressPoint& point) const {
  return point.remaining_seconds >= 0 ? point.remaining_seconds : point.remaining_steps * seconds_per_step_;
}

std::string ProgressLine::line(const ProgressPoint& point, bool bar) const {
  std::string text = "epoch " + std::to_string(point.epoch + 1);
  if (point.epochs > 0) text += "/" + std::to_string(point.epochs);
  text += "  " + (bar ? bar_of(point.step, point.steps) : std::string("step"));
  text += " " + std::to_string(point.step) + "/" + std::to_string(point.steps) + "  ETA " +
          format_duration(seconds_left(point));
  text += number(pictures_per_step_ / std::max(seconds_per_step_, 1e-9), "  %.1f img/s");
  text += number(100 * wait_per_step_ / std::max(seconds_per_step_, 1e-9), "  data %.0f %%");
  text += number(point.loss, "  loss %.2f") + " (" + main_terms(point) + ")";
  return text + number(resident_mib(), "  %.0f MiB");
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
