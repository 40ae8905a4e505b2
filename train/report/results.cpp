#include "train/report/results.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "losses/criterion.h"

namespace rtdetr {
namespace {

using Named = std::vector<std::pair<std::string, double>>;

double find_or_nan(const Named& values, const std::string& name) {
  const auto found = std::find_if(values.begin(), values.end(), [&](const auto& entry) { return entry.first == name; });
  return found == values.end() ? std::nan("") : found->second;
}

/// Ultralytics' three losses, by its names: those of the last decoder layer, or YOLOv8's.
void add_losses(RunLog::Row& row, const std::string& prefix, const Named& losses, bool is_yolo) {
  double of_class = std::nan("");
  for (const std::string& name : class_term_names()) {
    if (std::isnan(of_class)) of_class = find_or_nan(losses, name);
  }
  row.emplace_back(prefix + (is_yolo ? "/box_loss" : "/giou_loss"),
                   find_or_nan(losses, is_yolo ? "loss_bbox" : "loss_giou"));
  row.emplace_back(prefix + "/cls_loss", of_class);
  row.emplace_back(prefix + (is_yolo ? "/dfl_loss" : "/l1_loss"),
                   find_or_nan(losses, is_yolo ? "loss_dfl" : "loss_bbox"));
}

void add_metrics(RunLog::Row& row, const Evaluation* evaluation) {
  CurvePoint point{std::nan(""), std::nan("")};
  std::array<double, 2> ap{std::nan(""), std::nan("")};
  if (evaluation != nullptr) {
    point = best_f1_on_curve(evaluation->detecting().metric);
    ap = {evaluation->detecting().metric.ap50(), evaluation->detecting().metric.ap()};
  }
  row.emplace_back("metrics/precision(B)", point.precision);
  row.emplace_back("metrics/recall(B)", point.recall);
  row.emplace_back("metrics/mAP50(B)", ap[0]);
  row.emplace_back("metrics/mAP50-95(B)", ap[1]);
}

nlohmann::ordered_json to_json(const Named& values) {
  auto object = nlohmann::ordered_json::object();
  for (const auto& [name, value] : values) object[name] = value;
  return object;
}

nlohmann::ordered_json to_line(const EpochRecord& record) {
  nlohmann::ordered_json line{{"epoch", record.epoch},
                              {"train_seconds", record.train_seconds},
                              {"steps", record.steps},
                              {"losses", to_json(record.losses)}};
  if (record.inside) line["step"] = record.run_steps;
  if (record.evaluation == nullptr) return line;
  line["val_losses"] = to_json(record.evaluation->losses);
  for (const Evaluation::Layer& layer : record.evaluation->layers) {
    line["layers"].push_back({{"layer", layer.layer.number}, {"stats", layer.metric.stats}});
  }
  line["detects_with"] = record.evaluation->detecting().layer.number;
  return line;
}

}  // namespace

void record_results(const EpochRecord& record, RunLog& log) {
  RunLog::Row row{{"epoch", static_cast<double>(record.epoch + 1)}, {"time", record.train_seconds}};
  const Named& known = record.evaluation != nullptr ? record.evaluation->losses : record.losses;
  const bool is_yolo =
      !std::isnan(find_or_nan(record.losses, "loss_dfl")) || !std::isnan(find_or_nan(known, "loss_dfl"));
  add_losses(row, "train", record.losses, is_yolo);
  add_metrics(row, record.evaluation);
  add_losses(row, "val", record.evaluation != nullptr ? record.evaluation->losses : Named{}, is_yolo);
  for (std::size_t i = 0; i < record.rates.size(); ++i) row.emplace_back("lr/pg" + std::to_string(i), record.rates[i]);
  row.emplace_back("train/loss", find_or_nan(record.losses, "loss"));
  for (std::size_t i = 0; i < record.layers.size(); ++i) {
    const std::string prefix = "layer" + std::to_string(record.layers[i].number);
    const bool known = record.evaluation != nullptr && i < record.evaluation->layers.size();
    row.emplace_back(prefix + "/AP", known ? record.evaluation->layers[i].metric.ap() : std::nan(""));
    row.emplace_back(prefix + "/AP50", known ? record.evaluation->layers[i].metric.ap50() : std::nan(""));
  }
  if (record.in_steps || log.has_column(kStepTitle))
    row.emplace_back(kStepTitle, static_cast<double>(record.run_steps));
  log.write(record.inside ? "validation" : "epoch", to_line(record));
  log.write_row(row);
}

std::string describe_validation(const EpochRecord& record) {
  const Evaluation& evaluation = *record.evaluation;
  const MetricResult& metric = evaluation.detecting().metric;
  std::array<char, 160> text{};
  std::snprintf(text.data(), text.size(), ": AP %.4f  AP50 %.4f  AP75 %.4f  AR100 %.4f  (%lld pictures, %.1f s)",
                metric.ap(), metric.ap50(), metric.ap75(), metric.ar100(), static_cast<long long>(evaluation.pictures),
                evaluation.seconds);
  std::string place = "epoch " + std::to_string(record.epoch + 1);
  if (record.inside) place += ", step " + std::to_string(record.run_steps);
  return place + text.data();
}

nlohmann::ordered_json validation_event(const EpochRecord& record) {
  const Evaluation& evaluation = *record.evaluation;
  const MetricResult& metric = evaluation.detecting().metric;
  auto layers = nlohmann::ordered_json::array();
  for (const Evaluation::Layer& layer : evaluation.layers)
    layers.push_back({{"layer", layer.layer.number}, {"ap", layer.metric.ap()}});
  return {{"type", "validation"},
          {"epoch", record.epoch + 1},
          {"step", record.run_steps},
          {"inside", record.inside},
          {"ap", metric.ap()},
          {"ap50", metric.ap50()},
          {"ap75", metric.ap75()},
          {"ar100", metric.ar100()},
          {"layers", layers},
          {"losses", to_json(evaluation.losses)},
          {"pictures", evaluation.pictures},
          {"seconds", evaluation.seconds}};
}

}  // namespace rtdetr
