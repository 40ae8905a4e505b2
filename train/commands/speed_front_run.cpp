#include "train/commands/speed_front_run.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include <ATen/Parallel.h>
#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/io/file.h"
#include "core/ops/compute_threads.h"
#include "data/dataset/subset.h"
#include "train/commands/engine_predictor.h"
#include "train/commands/model_source.h"
#include "train/commands/stage_timer.h"
#include "train/evaluation/evaluator.h"
#include "train/process/machine.h"
#include "train/report/output.h"
#include "train/report/speed_front.h"
#include "train/report/work_progress.h"

namespace rtdetr {

namespace {

constexpr std::size_t kTimedPictures = 16;
constexpr std::int64_t kWarmUpRuns = 2;

/// Sides that are tried by default: the model's own, three quarters and half of it.
std::vector<ImageSize> sizes_to_try(const Settings& settings, const ImageSize& own, std::int64_t stride) {
  std::vector<ImageSize> sizes;
  for (const std::int64_t side : std::set<std::int64_t>(settings.sizes.begin(), settings.sizes.end())) {
    Settings one = settings;
    one.imgsz = {side, side};
    one.given["imgsz"] = "sizes=";
    sizes.push_back(resolve_image_size(one, std::nullopt, stride));
  }
  if (!sizes.empty()) return sizes;
  for (const double share : {0.5, 0.75, 1.0}) {
    const auto part = [&](std::int64_t side) {
      const double steps = std::round(share * static_cast<double>(side) / static_cast<double>(stride));
      return std::max<std::int64_t>(1, static_cast<std::int64_t>(steps)) * stride;
    };
    const ImageSize size{part(own.height), part(own.width)};
    if (sizes.empty() || sizes.back().height != size.height || sizes.back().width != size.width) sizes.push_back(size);
  }
  return sizes;
}

/// Numbers of queries that are tried by default: a third, two thirds and all of the model's.
std::set<std::int64_t> queries_to_try(const Settings& settings, std::int64_t own) {
  std::set<std::int64_t> queries(settings.queries.begin(), settings.queries.end());
  if (queries.empty() && own > 0)
    queries = {std::max<std::int64_t>(1, own / 3), std::max<std::int64_t>(1, 2 * own / 3), own};
  if (queries.empty()) queries = {0};
  return queries;
}

/// Everything is measured on the same pictures, in the same process, with the same detector.
class FrontRun {
 public:
  explicit FrontRun(const Settings& settings) : settings_(settings), device_(compute_device(settings)) {}

  std::vector<SpeedPoint> measure() {
    const OpenedModel own = open_model(settings_);
    choose_precisions(own.info.input_ranges);
    load_pictures(own.info);
    const std::set<std::int64_t> queries = queries_to_try(settings_, own.model->head().num_queries());
    const std::vector<ImageSize> sizes = sizes_to_try(settings_, *own.size(), own.model->stride());
    passes_ = queries.size() * sizes.size() * precisions_.size();
    for (auto count = queries.rbegin(); count != queries.rend(); ++count) {  // one that is too many is refused at once
      Settings with_queries = settings_;
      with_queries.num_queries = *count;
      OpenedModel opened = open_model(with_queries);
      opened.info.fit = fit_of(settings_, opened.info);
      const Detector detector(LoadedModel{opened.model, opened.info, {}},
                              {.device = device_.str(), .engine = false});  // those of the points have engines
      for (const ImageSize& size : sizes)
        for (const Precision precision : precisions_) add_points(opened, detector, size, precision);
    }
    find_front(points_);
    return std::move(points_);
  }

  std::int64_t pictures() const { return static_cast<std::int64_t>(dataset_.pictures.size()); }

 private:
  /// Float32, what amp= asks for, and with amp=auto what the file is calibrated for, too.
  void choose_precisions(const InputRanges& ranges) {
    const Precision chosen = model_precision(settings_, device_, ranges);
    if (chosen != Precision::kFloat32) precisions_.push_back(chosen);
    if (settings_.amp == "auto" && settings_.engine == "auto" && device_.is_cpu() &&
        why_not(Precision::kInt8, ranges).empty())
      precisions_.push_back(Precision::kInt8);
  }

  void load_pictures(const ModelInfo& info) {
    DatasetConfig config = load_dataset_config(settings_.data);
    config.limits.max_pixels = settings_.max_pixels;
    dataset_ = load_evaluated(config, settings_.split, {info.names, info.category_ids});
    if (settings_.pictures > 0)
      dataset_ = spread_subset(std::move(dataset_), static_cast<std::size_t>(settings_.pictures));
    const std::size_t timed = std::min(kTimedPictures, dataset_.pictures.size());
    for (std::size_t i = 0; i < timed; ++i) {
      const std::filesystem::path& file = dataset_.pictures[i * dataset_.pictures.size() / timed].file;
      encoded_.push_back({file.string(), read_binary_file(file)});
    }
  }

  /// The layers of every depth with their AP.
  std::vector<Evaluation::Layer> layers_at(OpenedModel& opened, const ImageSize& size, Precision precision) {
    EvaluatorOptions options{.height = size.height, .width = size.width};
    options.batch = 1;
    options.device = device_;
    options.precision = precision;
    options.predictor = engine_predictor(settings_, opened.model, opened.info.input_ranges, size, precision);
    options.resampling = opened.info.resampling;
    options.fit = opened.info.fit;
    options.workers = static_cast<int>(settings_.workers);
    options.threads = std::max(1, at::get_num_threads());
    const WorkProgress progress(pictures(),
                                "pass " + std::to_string(++pass_) + " of " + std::to_string(passes_) + ": ");
    options.progress = [&](std::int64_t done) { progress.show(done); };
    Evaluation evaluation = *evaluate(opened.model, dataset_, options);
    log::end_progress();
    return std::move(evaluation.layers);
  }

  /// The points of every depth, timed in turns; their detectors' memory is given back.
  void add_points(OpenedModel& opened, const Detector& detector, const ImageSize& size, Precision precision) {
    std::vector<StageTimer> timers;
    const std::size_t first = points_.size();
    for (const Evaluation::Layer& layer : layers_at(opened, size, precision)) {
      if (layer.layer.number == 0) continue;  // no pass can end there
      points_.push_back({.decoder_layers = layer.layer.number,
                         .num_queries = opened.model->head().num_queries(),
                         .size = size,
                         .precision = precision,
                         .ap = layer.metric.ap(),
                         .ap50 = layer.metric.ap50()});
      const DetectorOptions options{.decoder_layers = static_cast<int>(layer.layer.number),
                                    .height = static_cast<int>(size.height),
                                    .width = static_cast<int>(size.width),
                                    .device = device_.str(),
                                    .precision = precision,
                                    .engine = settings_.engine == "auto"};
      timers.emplace_back(Detector(detector, options), encoded_, 1, PictureLimits{.max_pixels = settings_.max_pixels});
    }
    run_in_turns(timers, kWarmUpRuns, settings_.runs, [](std::int64_t, std::int64_t) {});
    for (std::size_t i = 0; i < timers.size(); ++i) points_[first + i].ms = timers[i].detection().p50;
  }

  const Settings& settings_;
  torch::Device device_;
  std::vector<Precision> precisions_{Precision::kFloat32};
  Dataset dataset_;
  EncodedPictures encoded_;
  std::vector<SpeedPoint> points_;
  std::size_t pass_ = 0, passes_ = 0;
};

std::string choice_text(const Settings& settings, const std::vector<SpeedPoint>& points) {
  if (settings.budget_ms <= 0) return "";
  const SpeedPoint* best = best_within(points, settings.budget_ms);
  const std::string budget = "\nwithin " + format_double(settings.budget_ms) + " ms: ";
  if (best == nullptr) return budget + "none; the fastest takes " + fixed(points.front().ms, 2) + " ms\n";
  return budget + keys_of(*best) + ", AP " + fixed(best->ap, 4) + " in " + fixed(best->ms, 2) + " ms\n";
}

}  // namespace

ExitCode run_speed_front(const Settings& settings) {
  require_trained(settings);
  const ComputeThreads threads(settings.thread_counts.empty() ? 0 : static_cast<int>(settings.thread_counts.front()));
  FrontRun run(settings);
  const std::vector<SpeedPoint> points = run.measure();
  const std::string where = describe_device(compute_device(settings));
  print_text(settings, settings.model + ", fused, " + where + "; AP on " + counted(run.pictures(), "picture") + " of " +
                           settings.split + "; ms from a decoded picture to its detections, median of " +
                           std::to_string(settings.runs) + "\n\n" + front_table(points) +
                           choice_text(settings, points));
  nlohmann::ordered_json document = {{"model", settings.model},
                                     {"device", compute_device(settings).str()},
                                     {"threads", at::get_num_threads()},
                                     {"pictures", run.pictures()},
                                     {"runs", settings.runs},
                                     {"points", front_json(points)},
                                     {"chosen", nullptr}};
  const SpeedPoint* best = settings.budget_ms > 0 ? best_within(points, settings.budget_ms) : nullptr;
  if (best != nullptr) document["chosen"] = best - points.data();
  print_json(settings, document);
  if (!settings.output.empty())
    write_picture(settings.output, front_picture(points, settings.model + ", " + where, settings.budget_ms));
  return ExitCode::kOk;
}

}  // namespace rtdetr
