#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "core/base/choices.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "data/dataset/subset.h"
#include "data/formats/coco_results.h"
#include "models/layers/module_tree.h"
#include "train/commands/commands.h"
#include "train/commands/detection_options.h"
#include "train/commands/engine_predictor.h"
#include "train/commands/model_source.h"
#include "train/evaluation/evaluator.h"
#include "train/evaluation/tiled_evaluation.h"
#include "train/loop/experiment.h"
#include "train/process/machine.h"
#include "train/report/detection_report.h"
#include "train/report/evaluation_report.h"
#include "train/report/metric_report.h"
#include "train/report/output.h"
#include "train/report/page.h"
#include "train/report/run_page.h"
#include "train/report/run_pictures.h"
#include "train/report/work_progress.h"
#include "train/run/run_folder.h"

namespace rtdetr {
namespace {

/// The model's own classes decide; those of the data are mapped to them by name.
Dataset load_data(const Settings& settings, const ModelInfo& info) {
  const ClassList classes{info.names, info.category_ids};
  DatasetConfig config = load_dataset_config(settings.data);
  config.limits.max_pixels = settings.max_pixels;
  return with_classes(load_evaluated(config, settings.split, classes), chosen_pairs(settings, info.names).classes);
}

/// Its progress is shown where the main process is to speak.
EvaluatorOptions evaluator_options(const Settings& settings, const WorkProgress& progress, const ProcessGroup& group) {
  EvaluatorOptions options;
  options.workers = static_cast<int>(settings.workers);
  options.threads = std::max(1, at::get_num_threads());
  if (group.is_main()) options.progress = [&](std::int64_t done) { progress.show(done); };
  return options;
}

/// With tile=: what predict does with every picture.
Evaluation evaluate_tiles(const Settings& settings, OpenedModel opened, const Dataset& dataset, Precision precision,
                          ProcessGroup& group) {
  const WorkProgress progress(std::ssize(dataset.pictures), "evaluating: ");
  const EvaluatorOptions options = evaluator_options(settings, progress, group);
  opened.model->fuse();
  const HeadLayer last = opened.model->head().layers().back();
  DetectorOptions every = detector_options(settings, precision);
  every.min_score = 0.0F;
  LoadedModel loaded;
  loaded.model = std::move(opened.model);
  loaded.info = std::move(opened.info);
  const Detector detector = make_detector(settings, std::move(loaded), every);
  Evaluation evaluation = evaluate_tiled(detector, last, dataset, tile_options(settings), options, group);
  log::end_progress();
  return evaluation;
}

Evaluation evaluate_model(const Settings& settings, OpenedModel& opened, const Dataset& dataset, Precision precision,
                          ProcessGroup& group) {
  if (settings.tile > 0) return evaluate_tiles(settings, std::move(opened), dataset, precision, group);
  const WorkProgress progress(std::ssize(dataset.pictures), "evaluating: ");
  EvaluatorOptions options = evaluator_options(settings, progress, group);
  options.fit = fit_of(settings, opened.info);
  const ImageSize size = resolve_image_size(settings, opened.size(), opened.model->stride(), options.fit);
  options.resampling =
      settings.is_given("resample") ? chosen("resample", settings.resample, kResamplingWords) : opened.info.resampling;
  options.height = size.height;
  options.width = size.width;
  options.batch = settings.batch;
  options.device = compute_device(settings);
  options.precision = precision;
  options.wanted = chosen_pairs(settings, opened.info.names);
  options.suppression = chosen_suppression(settings, opened.model->head());
  options.predictor = engine_predictor(settings, opened.model, opened.info.input_ranges, size, precision);
  to_channels_last(*opened.model);
  Evaluation evaluation = *evaluate(opened.model, dataset, options, {}, group);
  log::end_progress();
  if (!group.is_main()) return evaluation;
  if (!opened.model->fused()) opened.model->fuse();
  add_times(evaluation, opened.model, options);
  return evaluation;
}

std::string speed(const Settings& settings, const Evaluation& evaluation, Precision precision) {
  const torch::Device device = compute_device(settings);
  const std::string all = counted(evaluation.pictures, "picture") + " in " + format_duration(evaluation.seconds);
  if (settings.tile > 0)
    return all + ", in tiles of " + std::to_string(settings.tile) + " pixels, " + precision_name(precision) + ", " +
           describe_device(device) + "\n";
  return all + "; ms = model alone, fused, " + precision_name(precision) + ", one picture, " + describe_device(device) +
         "\n";
}

/// metrics_per_class.csv, confusion_matrix.csv, predictions.json (save_json=true), pictures and a page (plots=true).
void write_files(const Settings& settings, const std::filesystem::path& folder, const Dataset& dataset,
                 const Evaluation& evaluation, const DetectionReport& report) {
  if (settings.save_json) write_coco_results(folder / "predictions.json", evaluation.detections);
  write_metric_tables(report, evaluation.detecting().metric, dataset.classes, folder);
  if (settings.plots) {
    draw_or_warn([&] { write_validation_pictures(dataset, evaluation, folder); });
    draw_or_warn([&] { write_metric_pictures(report, evaluation.detecting().metric, dataset.classes, folder); });
    draw_or_warn([&] { write_page(folder / kPageName, evaluation_page(settings, dataset, evaluation, report)); },
                 "the page is missing");
  }
  print_text(settings, "written to " + folder.string() + "\n");
}

}  // namespace

ExitCode run_val(const Settings& settings, ProcessGroup& group) {
  require_trained(settings);
  OpenedModel opened = open_model(settings);
  const Dataset dataset = load_data(settings, opened.info);
  const Precision precision = model_precision(settings, compute_device(settings), opened.info.input_ranges, group);
  std::optional<RunFolder> folder;  // before what takes long, so that a place that takes no files is known first
  if (settings.save_json || settings.plots)
    folder.emplace(
        open_together(group, [&] { return RunFolder::create(settings.project, settings.name, settings.exist_ok); }));
  const Evaluation evaluation = evaluate_model(settings, opened, dataset, precision, group);
  if (!group.is_main()) return ExitCode::kOk;
  const DetectionReport report = report_detections(evaluation, dataset, settings.conf);
  nlohmann::ordered_json document = evaluation_json(evaluation, dataset.classes);
  document["precision"] = precision_name(precision);
  if (settings.tile > 0) document["tile"] = settings.tile;
  document["operating_point"] = operating_point_json(report, dataset.classes);
  document["errors"] = error_split_json(report.errors);
  print_text(settings, format_summary(evaluation.detecting().metric) + "\n" +
                           class_table(evaluation.detecting().metric, dataset.classes) + operating_point_text(report) +
                           "\n" + error_split_text(report.errors) + "\n" + layer_table(evaluation) +
                           speed(settings, evaluation, precision));
  document["folder"] = nullptr;
  if (folder) {
    write_files(settings, folder->path(), dataset, evaluation, report);
    document["folder"] = folder->path().string();
  }
  print_json(settings, document);
  return ExitCode::kOk;
}

}  // namespace rtdetr
