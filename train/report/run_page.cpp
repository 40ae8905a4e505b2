#include "train/report/run_page.h"

#include <algorithm>
#include <map>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "train/report/comparison_page.h"
#include "train/report/page.h"
#include "train/report/result_curves.h"
#include "train/report/run_pictures.h"
#include "train/report/worst_pictures.h"

namespace rtdetr {
namespace {

using Json = nlohmann::ordered_json;

/// Which chart a column belongs to, and the curve's name in it.
struct ColumnPlace {
  std::string chart, curve;
};

/// "layer3/AP" is the curve "layer 3" of the chart "AP by decoder layer"; others go by what stands before their '/'.
ColumnPlace place_of(const std::string& column) {
  static const std::map<std::string, std::string> charts = {{"train", "training loss, last layer"},
                                                            {"val", "validation loss, last layer"},
                                                            {"metrics", "validation"},
                                                            {"lr", "learning rate"}};
  const std::size_t slash = column.find('/');
  if (slash == std::string::npos) return {column, column};
  const std::string before = column.substr(0, slash);
  std::string behind = column.substr(slash + 1);
  if (column == "train/loss") return {"training loss, sum of all terms", "loss"};
  if (before.starts_with("layer")) {
    const std::string number = before.substr(std::string("layer").size());
    return {behind + " by decoder layer", number == "0" ? "encoder" : "layer " + number};
  }
  if (behind.ends_with("(B)")) behind.resize(behind.size() - 3);
  const auto known = charts.find(before);
  return {known == charts.end() ? before : known->second, behind};
}

Json result_charts(const ResultsTable& table) {
  std::vector<std::pair<std::string, std::vector<ChartSeries>>> charts;
  for (const std::string& title : table.titles) {
    if (title == "epoch" || title == "time" || title == kStepTitle) continue;
    const ColumnPlace place = place_of(title);
    auto chart = std::ranges::find(charts, place.chart, &decltype(charts)::value_type::first);
    if (chart == charts.end()) chart = charts.insert(charts.end(), {place.chart, {}});
    chart->second.push_back(column_curve(table, title, place.curve));
  }
  Json drawn = Json::array();
  for (const auto& [title, curves] : charts)
    if (Json chart = page_chart(title, place_title(table), curves); !chart.is_null()) drawn.push_back(std::move(chart));
  return drawn;
}

Json charts_section(const std::string& id, const std::string& title, Json charts) {
  Json section = page_section("charts", id, title);
  section["note"] = "Drag over a chart to zoom in, double-click to see all; a click on a name hides its curve.";
  section["charts"] = std::move(charts);
  return section;
}

Json term_charts(const RunRecord& run) {
  Json charts = Json::array();
  for (Json chart : {page_chart("every training loss", "epoch", run.train_terms),
                     page_chart("every validation loss", "epoch", run.val_terms),
                     page_chart("loss of a step", "step", {run.step_loss}),
                     page_chart("gradient norm", "step", {run.gradient_norm})})
    if (!chart.is_null()) charts.push_back(std::move(chart));
  Json section = charts_section("terms", "every loss term, and steps", std::move(charts));
  section["folded"] = true;
  return section;
}

const std::vector<std::string>& metric_names() {
  static const std::vector<std::string> names = {"AP",  "AP50", "AP75",  "APs", "APm", "APl",
                                                 "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"};
  return names;
}

Json layer_table(const std::string& title) {
  Json table = page_section("table", "layers", title);
  table["columns"] = Json::array({"layer"});
  for (const std::string& name : metric_names()) table["columns"].push_back(name);
  table["rows"] = Json::array();
  return table;
}

/// Numbers of a layer; COCO's -1, undefined, as an empty cell.
Json layer_cells(const std::string& name, const std::array<double, 12>& stats) {
  Json cells = Json::array({name});
  for (const double value : stats) value < 0 ? cells.push_back(nullptr) : cells.push_back(value);
  return cells;
}

Json best_layers(const RunRecord& run) {
  Json table = layer_table("AP by decoder layer, " + run.best_place + " (the best)");
  table["note"] = "the confusion matrix, the table of classes and the worst pictures come when the run ends";
  for (const RunRecord::Layer& layer : run.best_layers)
    table["rows"].push_back(layer_cells(layer.number == 0 ? "encoder" : std::to_string(layer.number), layer.stats));
  return table;
}

Json evaluated_layers(const Evaluation& evaluation) {
  Json table = layer_table("AP by decoder layer");
  table["columns"].push_back("ms");
  for (const Evaluation::Layer& layer : evaluation.layers) {
    Json cells = layer_cells(layer.layer.name, layer.metric.stats);
    layer.ms < 0 ? cells.push_back(nullptr) : cells.push_back(layer.ms);
    table["rows"].push_back(std::move(cells));
  }
  return table;
}

Json class_table(const Evaluation& evaluation, const DetectionReport& report, const ClassList& classes) {
  Json table = page_section("table", "classes", "classes");
  table["note"] = "precision, recall and F1 at confidence " + fixed(report.confusion.confidence, 2);
  table["columns"] = {"class", "boxes", "AP", "AP50", "AP75", "precision", "recall", "F1", "hits", "wrong", "missed"};
  table["rows"] = Json::array();
  for (std::size_t k = 0; k < classes.names.size(); ++k) {
    const auto& all = evaluation.detecting().metric.classes;
    const auto one = std::ranges::find(all, classes.category_ids[k], &MetricResult::Class::category_id);
    const MatchCounts at = report.curves.classes[k].at(report.confusion.confidence);
    Json cells = Json::array({classes.names[k], report.curves.classes[k].boxes});
    for (const double value :
         one == all.end() ? std::array<double, 3>{-1, -1, -1} : std::array{one->ap, one->ap50, one->ap75})
      value < 0 ? cells.push_back(nullptr) : cells.push_back(value);
    for (const double value : {at.precision(), at.recall(), at.f1()}) cells.push_back(value);
    for (const std::int64_t count : {at.hits, at.wrong, at.missed}) cells.push_back(count);
    table["rows"].push_back(std::move(cells));
  }
  return table;
}

Json confusion(const ConfusionMatrix& matrix, const ClassList& classes) {
  Json section = page_section("matrix", "confusion", "what was taken for what");
  section["note"] = "at confidence " + fixed(matrix.confidence, 2) + " and IoU " + fixed(matrix.iou, 1) +
                    "; rows are what was detected, columns what is there";
  section["names"] = classes.names;
  section["counts"] = Json::array();
  for (std::size_t row = 0; row <= matrix.classes; ++row) {
    Json counts = Json::array();
    for (std::size_t column = 0; column <= matrix.classes; ++column) counts.push_back(matrix.at(row, column));
    section["counts"].push_back(std::move(counts));
  }
  return section;
}

Json worst(const Dataset& dataset, const Evaluation& evaluation, const DetectionReport& report) {
  Json section = page_section("pictures", "worst", "worst pictures first");
  section["note"] = "by F1 at confidence " + fixed(report.confusion.confidence, 2) +
                    "; truth in black and white, detections in colours";
  section["pictures"] = Json::array();
  for (const WorstPicture& one : worst_pictures(dataset, evaluation, report)) {
    const std::string note = "F1 " + fixed(one.counts.f1(), 2) + ": " + counted(one.counts.hits, "hit") + ", " +
                             std::to_string(one.counts.wrong) + " wrong, " + std::to_string(one.counts.missed) +
                             " missed";
    section["pictures"].push_back(
        {{"name", one.name}, {"note", note}, {"src", "data:image/jpeg;base64," + base64(one.jpeg)}});
  }
  return section;
}

Json run_tiles(const RunRecord& run) {
  const RunNumbers numbers = numbers_of(run.table);
  Json section = page_section("tiles", "numbers", "");
  Json tiles = Json::array();
  const auto add = [&](const char* name, const Json& value) { tiles.push_back({name, value}); };
  if (numbers.best_ap >= 0) {
    add("best AP", numbers.best_ap);
    add("in epoch", numbers.best_epoch);
    add("AP50 there", numbers.ap50_there);
    add("last AP", numbers.last_ap);
  }
  add("epochs", numbers.epochs);
  if (run.steps > 0) add("steps", run.steps);
  if (run.refused > 0) add("refused steps", run.refused);
  add("training time", format_duration(numbers.seconds));
  add("last training loss", numbers.last_loss);
  section["tiles"] = std::move(tiles);
  return section;
}

Json files_section(const std::filesystem::path& folder) {
  Json section = page_section("files", "files", "files beside this page");
  section["names"] = Json::array();
  for (const char* name : {"results.csv", "results.png", "log.jsonl", "args.yaml", "labels.jpg", "train_batch0.jpg",
                           "val_batch0_labels.jpg", "val_batch0_pred.jpg", "metrics_per_class.csv",
                           "confusion_matrix.csv", "confusion_matrix.png", "confusion_matrix_normalized.png",
                           "BoxPR_curve.png", "BoxF1_curve.png", "BoxP_curve.png", "BoxR_curve.png", "errors.png"}) {
    std::error_code ignored;
    if (std::filesystem::exists(folder / name, ignored)) section["names"].push_back(name);
  }
  return section;
}

}  // namespace

std::vector<Json> evaluation_sections(const Dataset& dataset, const Evaluation& evaluation,
                                      const DetectionReport& report) {
  return {evaluated_layers(evaluation), class_table(evaluation, report, dataset.classes),
          confusion(report.confusion, dataset.classes), worst(dataset, evaluation, report)};
}

Json run_page(const RunRecord& run, const std::optional<RunRecord>& before, std::span<const Json> found) {
  Json sections = Json::array();
  sections.push_back(run_tiles(run));
  sections.push_back(charts_section("curves", "curves", result_charts(run.table)));
  sections.push_back(term_charts(run));
  if (found.empty() && !run.best_layers.empty()) sections.push_back(best_layers(run));
  for (const Json& section : found) sections.push_back(section);
  if (before) sections.push_back(difference_section(run, *before));
  for (Json& section : settings_sections(run.settings, run.fitted)) sections.push_back(std::move(section));
  Json events = page_section("list", "events", "events");
  events["lines"] = run.events;
  sections.push_back(std::move(events));
  sections.push_back(files_section(run.folder));
  const std::string program = run.version.empty() ? "" : "rtdetr " + run.version + ": ";
  return {{"title", folder_name(run.folder)}, {"subtitle", program + run.command}, {"sections", std::move(sections)}};
}

void write_run_page(const std::filesystem::path& folder, std::span<const Json> found) {
  write_page(folder / kPageName, run_page(read_run(folder), run_before(folder), found));
}

void write_page_or_warn(RunReader& run, std::span<const Json> found) {
  std::error_code ignored;
  const auto bytes = std::filesystem::file_size(run.folder() / "results.csv", ignored);
  if (ignored || bytes == 0) return;  // no epoch has ended
  draw_or_warn([&] { write_page(run.folder() / kPageName, run_page(run.read(), run.before(), found)); },
               std::string(kPageName) + " is not up to date");
}

void write_page_or_warn(const std::filesystem::path& folder, std::span<const Json> found) {
  RunReader run(folder);
  write_page_or_warn(run, found);
}

Json evaluation_page(const Settings& settings, const Dataset& dataset, const Evaluation& evaluation,
                     const DetectionReport& report) {
  Json tiles = page_section("tiles", "numbers", "");
  const MetricResult& metric = evaluation.detecting().metric;
  tiles["tiles"] = Json::array({{"AP", metric.ap()},
                                {"AP50", metric.ap50()},
                                {"AP75", metric.ap75()},
                                {"AR100", metric.ar100()},
                                {"pictures", evaluation.pictures}});
  Json sections = Json::array();
  sections.push_back(std::move(tiles));
  for (Json& section : evaluation_sections(dataset, evaluation, report)) sections.push_back(std::move(section));
  const YamlDocument arguments = parse_yaml(settings_to_yaml(settings), "settings");
  for (Json& section : settings_sections(setting_rows(arguments, settings.command)))
    sections.push_back(std::move(section));
  return {{"title", "val of " + settings.model},
          {"subtitle", settings.data + ", " + settings.split},
          {"sections", std::move(sections)}};
}

}  // namespace rtdetr
