#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string_view>
#include <vector>

#include <ATen/Parallel.h>
#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/image/placement.h"
#include "core/io/file.h"
#include "core/ops/peak_rate.h"
#include "core/plot/chart.h"
#include "models/deploy/size.h"
#include "train/commands/commands.h"
#include "train/commands/detection_options.h"
#include "train/commands/model_source.h"
#include "train/commands/output_file.h"
#include "train/commands/part_times.h"
#include "train/commands/picture_sources.h"
#include "train/commands/sample_picture.h"
#include "train/commands/speed_front_run.h"
#include "train/commands/stage_timer.h"
#include "train/process/machine.h"
#include "train/report/output.h"
#include "train/report/work_progress.h"

/// Milliseconds of each stage from a picture's bytes to its detections, for every batch size and number of threads that
/// is asked for.
namespace rtdetr {

namespace {

constexpr std::int64_t kWarmUpRuns = 3;
constexpr std::size_t kModelStage = 2, kTotalStage = 4;
static_assert(std::string_view(kStageNames[kModelStage]) == "model" &&
              std::string_view(kStageNames[kTotalStage]) == "total");

EncodedPictures pictures_of(const Settings& settings) {
  if (settings.source.empty()) return {{"the sample picture", sample_picture_bytes()}};
  std::vector<std::filesystem::path> files = list_pictures(settings.source);
  const std::int64_t used = std::ranges::max(settings.batches) * (settings.runs + kWarmUpRuns);
  if (std::ssize(files) > used) files.resize(static_cast<std::size_t>(used));
  EncodedPictures pictures;
  for (const auto& file : files) pictures.push_back({file.string(), read_binary_file(file)});
  return pictures;
}

/// What is measured, and the numbers that its times are held against.
struct Benchmark {
  const Settings& settings;
  torch::Device device = torch::kCPU;
  ImageSize size;
  Precision precision = Precision::kFloat32;
  std::int64_t layers = 0, queries = 0;
  double gflops = 0;  ///< of the model, for one picture
  EncodedPictures pictures;
  std::vector<std::int64_t> threads;  ///< of each timer
  std::vector<StageTimer> timers;     ///< one for each number of threads and batch size
  std::vector<double> peaks;          ///< GFLOP/s that the machine reaches with the threads of each timer
  std::optional<double> card_mib;     ///< the most that tensors took on a GPU
  std::optional<PartTimes> parts;     ///< with parts=true

  double per_second(std::size_t i) const {
    return 1e3 * static_cast<double>(timers[i].batch()) / timers[i].spread(kTotalStage).p50;
  }
  double model_rate(std::size_t i) const {
    return gflops * static_cast<double>(timers[i].batch()) / timers[i].spread(kModelStage).p50 * 1e3;
  }
};

void add_timers(Benchmark& all, LoadedModel loaded) {
  const Settings& s = all.settings;
  const std::vector<std::int64_t> counts = s.thread_counts.empty() ? std::vector<std::int64_t>{0} : s.thread_counts;
  DetectorOptions options{.height = static_cast<int>(all.size.height),
                          .width = static_cast<int>(all.size.width),
                          .device = all.device.str(),
                          .precision = all.precision,
                          .engine = s.engine == "auto",
                          .final_form = true,
                          .reduced_jpeg = s.reduced_jpeg};
  if (s.is_given("conf")) options.min_score = static_cast<float>(s.conf);
  set_suppression(s, loaded.model->head(), options);
  const Detector detector(std::move(loaded), options);
  all.layers = detector.decoder_layers();
  for (const std::int64_t count : counts) {
    options.threads = static_cast<int>(count);
    const std::int64_t real = count > 0 ? count : at::get_num_threads();
    for (const std::int64_t batch : s.batches) {
      all.timers.emplace_back(Detector(detector, options), all.pictures, batch,
                              PictureLimits{.max_pixels = s.max_pixels});
      all.threads.push_back(real);
    }
  }
}

PartRuns part_runs(const Benchmark& all, const ImageSize& size) {
  const Settings& s = all.settings;
  return {.size = size,
          .device = all.device,
          .precision = all.precision,
          .threads = s.thread_counts.empty() ? 0 : static_cast<int>(s.thread_counts.front()),
          .warm_up = kWarmUpRuns,
          .runs = s.runs};
}

/// Of what was measured before, the larger counts: other work of the machine only makes a peak lower.
void measure_peaks(Benchmark& all) {
  all.peaks.resize(all.threads.size());
  for (std::size_t i = 0; i < all.threads.size(); ++i) {
    const bool again = i > 0 && all.threads[i] == all.threads[i - 1];
    const double rate =
        again ? all.peaks[i - 1] : peak_rate(all.device, all.precision, static_cast<int>(all.threads[i]));
    all.peaks[i] = std::max(all.peaks[i], rate);
  }
}

/// The peaks are measured behind the first round, which is to find nothing warm, and behind the last; on a GPU there
/// alone, so that the card's memory is the model's.
void measure(Benchmark& all) {
  const std::int64_t runs = all.settings.runs;
  const WorkProgress progress(runs + kWarmUpRuns, "measuring: ", "runs");
  run_in_turns(all.timers, kWarmUpRuns, runs, [&](std::int64_t round, std::int64_t) {
    progress.show(round);
    if (round == 1 && all.device.is_cpu()) measure_peaks(all);
  });
  log::end_progress();
  all.card_mib = device_peak_mib(all.device);
  measure_peaks(all);
}

std::string stage_table(const StageTimer& timer) {
  TextTable table({{"ms per batch", TextTable::Align::kLeft}, {"first"}, {"min"}, {"p50"}, {"p95"}, {"p99"}});
  for (std::size_t i = 0; i < kStageNames.size(); ++i) {
    const Spread spread = timer.spread(i);
    table.add({kStageNames[i], fixed(timer.first()[i], 2), fixed(spread.min, 2), fixed(spread.p50, 2),
               fixed(spread.p95, 2), fixed(spread.p99, 2)});
  }
  return table.text();
}

std::string sweep_table(const Benchmark& all) {
  bool beyond = false;
  const auto share_of_peak = [&](std::size_t i) {
    const double share = all.model_rate(i) / all.peaks[i];
    beyond = beyond || share > 1;
    return share > 1 ? std::string("-") : fixed(100 * share, 0) + " %";
  };
  TextTable table({{"threads"}, {"batch"}, {"ms per batch"}, {"pictures/s"}, {"model GFLOP/s"}, {"of the peak"}});
  for (std::size_t i = 0; i < all.timers.size(); ++i)
    table.add({std::to_string(all.threads[i]), std::to_string(all.timers[i].batch()),
               fixed(all.timers[i].spread(kTotalStage).p50, 2), fixed(all.per_second(i), 1),
               fixed(all.model_rate(i), 1), share_of_peak(i)});
  return table.text() + (beyond
                             ? "-: above the peak: the machine was busy when that was measured, or convolutions took "
                               "fewer operations than are counted (Winograd)\n"
                             : "");
}

std::string memory_text(const Benchmark& all) {
  return "peak memory " + fixed(peak_memory_mib(), 0) + " MiB" +
         (all.card_mib ? ", on the GPU " + fixed(*all.card_mib, 0) + " MiB" : "") + "\n";
}

std::string report_text(const Benchmark& all) {
  const Settings& s = all.settings;
  std::string text = s.model + ", " + counted(all.layers, "decoder layer") +
                     (all.queries > 0 ? ", " + std::to_string(all.queries) + " queries" : "") + ", fused, " +
                     precision_name(all.precision) + ", " + std::to_string(all.size.height) + "x" +
                     std::to_string(all.size.width) + ", " + fixed(all.gflops, 1) + " GFLOP a picture, " +
                     std::to_string(s.runs) + " runs\n";
  for (std::size_t i = 0; i < all.timers.size(); ++i) {
    const std::string where = all.device.is_cpu() ? counted(all.threads[i], "thread") : describe_device(all.device);
    text += "\nbatch " + std::to_string(all.timers[i].batch()) + ", " + where + "\n" + stage_table(all.timers[i]);
  }
  if (all.parts) text += "\n" + parts_table(*all.parts);
  return text + "\n" + sweep_table(all) + "\n" + memory_text(all);
}

nlohmann::ordered_json timer_json(const Benchmark& all, std::size_t i) {
  const StageTimer& timer = all.timers[i];
  nlohmann::ordered_json row = {{"batch", timer.batch()}, {"threads", all.threads[i]}};
  for (std::size_t stage = 0; stage < kStageNames.size(); ++stage) {
    const Spread spread = timer.spread(stage);
    row[std::string(kStageNames[stage]) + "_ms"] = {{"first", timer.first()[stage]},
                                                    {"min", spread.min},
                                                    {"p50", spread.p50},
                                                    {"p95", spread.p95},
                                                    {"p99", spread.p99}};
  }
  row["pictures_per_second"] = all.per_second(i);
  row["model_gflop_per_s"] = all.model_rate(i);
  row["peak_gflop_per_s"] = all.peaks[i];
  return row;
}

nlohmann::ordered_json report_json(const Benchmark& all) {
  nlohmann::ordered_json document = {{"model", all.settings.model},
                                     {"imgsz", {all.size.height, all.size.width}},
                                     {"runs", all.settings.runs},
                                     {"decoder_layers", all.layers},
                                     {"num_queries", all.queries},
                                     {"device", all.device.str()},
                                     {"precision", precision_name(all.precision)},
                                     {"gflops", all.gflops}};
  document.update(timer_json(all, 0));
  auto rows = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < all.timers.size(); ++i) rows.push_back(timer_json(all, i));
  document["sweep"] = std::move(rows);
  if (all.parts) document["parts"] = parts_json(*all.parts);
  document["peak_mib"] = peak_memory_mib();
  if (all.card_mib) document["device_peak_mib"] = *all.card_mib;
  return document;
}

/// Pictures a second over the batch size, a curve for each number of threads.
Picture sweep_picture(const Benchmark& all) {
  std::vector<ChartSeries> curves;
  for (std::size_t i = 0; i < all.timers.size(); ++i) {
    const std::string name = counted(all.threads[i], "thread");
    if (curves.empty() || curves.back().name != name) curves.push_back({.name = name, .x = {}, .y = {}});
    curves.back().x.push_back(static_cast<double>(all.timers[i].batch()));
    curves.back().y.push_back(all.per_second(i));
  }
  return line_chart(curves, {.title = all.settings.model, .x_label = "batch", .y_label = "pictures/s", .y_low = 0});
}

}  // namespace

ExitCode run_benchmark(const Settings& settings) {
  if (!settings.output.empty()) require_output_file(settings, settings.model, "model");
  if (settings.front) return run_speed_front(settings);
  OpenedModel opened = open_model(settings);
  Benchmark all{.settings = settings, .device = compute_device(settings)};
  const std::int64_t stride = opened.model->stride();
  opened.info.fit = fit_of(settings, opened.info);
  all.size = resolve_image_size(settings, opened.size(), stride, opened.info.fit);
  all.precision = model_precision(settings, all.device, opened.info.input_ranges);
  all.queries = opened.model->head().num_queries();
  const ImageSize counted = rounded_up(all.size, stride);
  all.pictures = pictures_of(settings);
  if (settings.parts) all.parts = measure_parts(opened.model, part_runs(all, counted));
  add_timers(all, {opened.model, std::move(opened.info), {}});
  all.gflops = count_gflops(opened.model, counted.height, counted.width);  // fused by now
  measure(all);
  print_text(settings, report_text(all));
  print_json(settings, report_json(all));
  if (!settings.output.empty()) write_picture(settings.output, sweep_picture(all));
  return ExitCode::kOk;
}

}  // namespace rtdetr
