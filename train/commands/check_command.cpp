#include <algorithm>
#include <filesystem>
#include <optional>

#include <nlohmann/json.hpp>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/progress.h"
#include "core/base/text.h"
#include "core/image/picture.h"
#include "data/tools/doctor.h"
#include "train/commands/commands.h"
#include "train/commands/label_check.h"
#include "train/commands/model_source.h"
#include "train/commands/output_file.h"
#include "train/config/keys.h"
#include "train/process/machine.h"
#include "train/report/doubt_report.h"
#include "train/report/metric_report.h"
#include "train/report/output.h"

namespace rtdetr {

namespace {

/// "reading pictures of train: 1,200 of 5,000, 0:12 left"; without the time where too few are read to tell.
class ReadingLine {
 public:
  void show(const std::string& split, std::int64_t done, std::int64_t total) {
    if (split != split_ || done == 1) begin_ = seconds_now();
    split_ = split;
    const double seconds = seconds_now() - begin_;
    std::optional<double> left;
    if (seconds >= 1 && done < total)
      left = seconds / static_cast<double>(done - 1) * static_cast<double>(total - done);
    log::progress(line(done, total, left), log::tells_json() ? json_line(event(done, total, left)) : "");
  }

 private:
  std::string what() const { return "reading pictures" + (split_.empty() ? "" : " of " + split_); }
  std::string line(std::int64_t done, std::int64_t total, std::optional<double> left) const {
    const std::string text = what() + ": " + with_thousands(done) + " of " + with_thousands(total);
    return left ? text + ", " + format_duration(*left) + " left" : text;
  }
  nlohmann::ordered_json event(std::int64_t done, std::int64_t total, std::optional<double> left) const {
    nlohmann::ordered_json event{{"type", "progress"}, {"what", what()}, {"unit", "pictures"},
                                 {"done", done},       {"total", total}, {"eta_s", nullptr}};
    if (left) event["eta_s"] = *left;
    return event;
  }

  std::string split_;
  double begin_ = seconds_now();
};

DatasetReport examine(const Settings& settings) {
  constexpr int kShownPictures = 16;
  const ImageSize size = resolve_image_size(settings, std::nullopt, kUsualStride);
  CheckOptions options;
  options.threads = settings.threads > 0 ? static_cast<int>(settings.threads) : physical_cores();
  options.height = size.height;
  options.width = size.width;
  if (settings.num_queries > 0) options.queries = settings.num_queries;
  if (!settings.output.empty()) options.label_tiles = kShownPictures;
  ReadingLine line;
  options.progress = [&](const std::string& split, std::int64_t done, std::int64_t total) {
    line.show(split, done, total);
  };
  DatasetConfig config;
  if (!settings.data.empty()) config = inspect_dataset_config(settings.data);
  options.limits.max_pixels = config.limits.max_pixels = settings.max_pixels;
  DatasetReport report = settings.data.empty() ? check_coco(settings.annotations, settings.images, options)
                                               : check_dataset(config, options);
  log::end_progress();
  return report;
}

std::string range_text(const SplitReport::Range& range) {
  return std::to_string(range.min) + "/" + std::to_string(range.median) + "/" + std::to_string(range.max);
}

std::string split_table(const DatasetReport& report) {
  TextTable table({{"split", TextTable::Align::kLeft},
                   {"format", TextTable::Align::kLeft},
                   {"pictures"},
                   {"without boxes"},
                   {"unreadable"},
                   {"boxes"},
                   {"crowds"},
                   {"most in one"},
                   {"small"},
                   {"medium"},
                   {"large"},
                   {"width min/median/max"},
                   {"height min/median/max"}});
  for (const SplitReport& split : report.splits)
    table.add({split.key.empty() ? "all" : split.key, split.format, with_thousands(split.pictures),
               with_thousands(split.pictures_without_boxes), with_thousands(split.unreadable_pictures),
               with_thousands(split.boxes), with_thousands(split.crowds), with_thousands(split.max_boxes),
               with_thousands(split.boxes_by_size[0]), with_thousands(split.boxes_by_size[1]),
               with_thousands(split.boxes_by_size[2]), range_text(split.width), range_text(split.height)});
  return table.text();
}

/// "2 pictures (a.jpg, b.jpg)", the first of them by name.
std::string named_text(const SplitReport::NamedFiles& pictures) {
  return counted(pictures.count, "picture") + " (" + join(pictures.first, ", ") +
         (pictures.count > std::ssize(pictures.first) ? ", …)" : ")");
}

/// A line for each split that has pictures without boxes, where there are label files to tell why.
std::string without_boxes_text(const DatasetReport& report) {
  std::string text;
  for (const SplitReport& split : report.splits) {
    if (!split.without_boxes) continue;
    const auto& [no_file, empty_file] = *split.without_boxes;
    std::vector<std::string> parts;
    if (no_file.count > 0) parts.push_back("no label file for " + named_text(no_file));
    if (empty_file.count > 0) parts.push_back("a label file without boxes for " + named_text(empty_file));
    if (!parts.empty()) text += "  " + split.key + ": " + join(parts, ", ") + "\n";
  }
  return text.empty() ? "" : "\n" + text;
}

/// What the network will see of the boxes.
std::string size_table(const DatasetReport& report, const ImageSize& size) {
  const std::string at = " at " + std::to_string(size.height) + "x" + std::to_string(size.width);
  TextTable table({{"split", TextTable::Align::kLeft},
                   {"box side min/median/max" + at},
                   {"narrower than " + std::to_string(kFinestStride)},
                   {"squeezed pictures"}});
  for (const SplitReport& split : report.splits)
    table.add({split.key.empty() ? "all" : split.key, range_text(split.box_side),
               with_thousands(split.boxes_below_stride), with_thousands(split.squeezed_pictures)});
  return table.text();
}

std::string advice_text(const DatasetReport& report) {
  std::string text;
  for (const std::string& sentence : report.advice) text += "advice   " + sentence + "\n";
  return text.empty() ? "" : text + "\n";
}

std::string boxes_per_class_table(const DatasetReport& report) {
  std::vector<TextTable::Column> columns = {{"class", TextTable::Align::kLeft}, {"id"}};
  for (const SplitReport& split : report.splits) columns.push_back({split.key.empty() ? "boxes" : split.key});
  TextTable table(columns);
  for (std::size_t c = 0; c < report.classes.names.size(); ++c) {
    std::vector<std::string> cells = {report.classes.names[c], std::to_string(report.classes.category_ids[c])};
    for (const SplitReport& split : report.splits)
      cells.push_back(c < split.boxes_per_class.size() ? with_thousands(split.boxes_per_class[c]) : "-");
    table.add(cells);
  }
  return table.text();
}

std::string verdict(const DatasetReport& report) {
  std::int64_t errors = 0, warnings = 0;
  std::string text;
  for (const DataProblem& problem : report.problems) {
    const bool is_error = problem.severity == DataProblem::Severity::kError;
    (is_error ? errors : warnings) += 1;
    text += std::string(is_error ? "error    " : "warning  ") + describe(problem) + "\n";
  }
  if (errors + warnings == 0) return "no problem found\n";
  return text + "\n" + counted(errors, "kind") + " of errors, " + std::to_string(warnings) + " of warnings" +
         (errors ? "; with errors the data set cannot be used\n" : "; the data set can be used\n");
}

/// The recipe for so many pictures, at the size that was looked at.
std::string training_line(const Settings& settings, const DatasetReport& report) {
  constexpr std::int64_t kMany = 5000;  // a recipe for COCO has so many that its epochs are steps enough
  std::int64_t pictures = 0;
  for (const SplitReport& split : report.splits) pictures += split.key == "train" ? split.pictures : 0;
  std::string line = std::string("rtdetr train cfg=") + (pictures < kMany ? "small-data" : "rtdetrv2_r18vd") +
                     " data=" + shell_word(settings.data);
  if (settings.is_given("imgsz")) line += " imgsz=" + value_text(*find_key("imgsz"), settings);
  return line;
}

nlohmann::ordered_json range_json(const SplitReport::Range& range) {
  return {{"min", range.min}, {"median", range.median}, {"max", range.max}};
}

nlohmann::ordered_json named_json(const SplitReport::NamedFiles& pictures) {
  return {{"count", pictures.count}, {"first", pictures.first}};
}

/// null where no label files tell why.
nlohmann::ordered_json without_boxes_json(const SplitReport& split) {
  if (!split.without_boxes) return nullptr;
  return {{"no_label_file", named_json(split.without_boxes->no_label_file)},
          {"empty_label_file", named_json(split.without_boxes->empty_label_file)}};
}

nlohmann::ordered_json report_json(const DatasetReport& report) {
  nlohmann::ordered_json splits = nlohmann::ordered_json::array();
  for (const SplitReport& split : report.splits)
    splits.push_back({{"split", split.key},
                      {"format", split.format},
                      {"pictures", split.pictures},
                      {"pictures_without_boxes", split.pictures_without_boxes},
                      {"without_boxes", without_boxes_json(split)},
                      {"unreadable_pictures", split.unreadable_pictures},
                      {"boxes", split.boxes},
                      {"crowds", split.crowds},
                      {"max_boxes", split.max_boxes},
                      {"boxes_per_class", split.boxes_per_class},
                      {"boxes_by_size", split.boxes_by_size},
                      {"width", range_json(split.width)},
                      {"height", range_json(split.height)},
                      {"box_side", range_json(split.box_side)},
                      {"boxes_below_stride", split.boxes_below_stride},
                      {"squeezed_pictures", split.squeezed_pictures}});
  nlohmann::ordered_json alike = nlohmann::ordered_json::array();
  for (const DatasetReport::NearDuplicate& pair : report.near_duplicates)
    alike.push_back({{"picture", pair.picture}, {"other", pair.other}, {"bits", pair.bits}});
  return {{"name", report.name},
          {"names", report.classes.names},
          {"category_ids", report.classes.category_ids},
          {"splits", splits},
          {"problems", problems_json(report.problems)},
          {"near_duplicates", alike},
          {"advice", report.advice}};
}

/// "labels-alike.png" beside "labels.png".
std::string beside(const std::filesystem::path& labels, const std::string& ending) {
  return (labels.parent_path() / (labels.stem().string() + ending + labels.extension().string())).string();
}

/// What the model of model= objects to: text, the report's member "labels", and a picture beside output=.
std::string doubted_labels(const Settings& settings, nlohmann::ordered_json& document) {
  const DoubtReport doubts = check_labels(settings);
  std::string text = "\nlabels, as " + settings.model + " sees them: " + doubts.text();
  document["labels"] = doubts.json();
  if (settings.output.empty()) return text;
  const Picture sheet = doubts.sheet();
  if (sheet.width == 0) return text;
  const std::string file = beside(settings.output, "-doubted");
  write_picture(file, sheet);
  document["labels"]["output"] = file;
  return text + "written to " + file + "\n";
}

}  // namespace

ExitCode run_check(const Settings& settings) {
  if (!settings.output.empty() && !is_written_as_picture(settings.output))
    throw ConfigError("output=" + settings.output + settings.origin_of("output") +
                      ": a picture of labels must end in .jpg, .jpeg or .png");
  if (!settings.output.empty()) require_output_file(settings, settings.data, "data set");
  if (!settings.model.empty()) require_trained(settings);
  const DatasetReport report = examine(settings);
  const ImageSize size = resolve_image_size(settings, std::nullopt, kUsualStride);
  std::string text = report.name + "\n\n";
  if (!report.splits.empty())
    text += split_table(report) + without_boxes_text(report) + "\n" + size_table(report, size) + "\n" +
            boxes_per_class_table(report) + "\n";
  text += verdict(report) + advice_text(report);
  nlohmann::ordered_json document = report_json(report);
  if (report.labels.width > 0) {
    write_picture(settings.output, report.labels);
    text += "written to " + settings.output + "\n";
    document["output"] = settings.output;
  }
  if (report.near_duplicate_sheet.width > 0) {
    const std::string sheet = beside(settings.output, "-alike");
    write_picture(sheet, report.near_duplicate_sheet);
    text += "written to " + sheet + "\n";
    document["near_duplicate_output"] = sheet;
  }
  const bool broken = has_errors(report.problems);
  if (!broken && !settings.model.empty()) text += doubted_labels(settings, document);
  const bool trains = std::any_of(report.splits.begin(), report.splits.end(),
                                  [](const SplitReport& split) { return split.key == "train"; });
  if (!broken && trains) text += "next: " + training_line(settings, report) + "\n";
  print_text(settings, text);
  print_json(settings, document);
  return broken ? ExitCode::kData : ExitCode::kOk;
}

}  // namespace rtdetr
