#include <algorithm>
#include <array>
#include <cmath>

#include <torch/torch.h>
#include <nlohmann/json.hpp>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/io/file.h"
#include "core/ops/device_memory.h"
#include "models/deploy/detector.h"
#include "train/commands/commands.h"
#include "train/commands/model_source.h"
#include "train/commands/picture_sources.h"
#include "train/commands/sample_picture.h"
#include "train/loop/experiment.h"
#include "train/process/machine.h"
#include "train/report/output.h"

/// Milliseconds of each stage from a picture's bytes to its detections, per batch: the detector's own, and of decoding
/// in front of it. The stages take turns inside every repetition, so that a disturbance of the machine does not hit one
/// of them alone.
namespace rtdetr {

namespace {

constexpr int kWarmUpRuns = 3;

struct StageTimes {
  std::string name;
  std::vector<double> ms;
};

/// Value below which a share of the sorted times lies, interpolated.
double percentile(const std::vector<double>& sorted, double share) {
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(std::floor(position));
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - std::floor(position)) * (sorted[above] - sorted[below]);
}

struct Spread {
  double min = 0, p50 = 0, p95 = 0, p99 = 0;
};
Spread spread_of(std::vector<double> ms) {
  std::sort(ms.begin(), ms.end());
  return {ms.front(), percentile(ms, 0.5), percentile(ms, 0.95), percentile(ms, 0.99)};
}

class Pipeline {
 public:
  Pipeline(const Settings& settings, Detector detector, torch::Device device)
      : detector_(std::move(detector)),
        device_(device),
        limits_{.max_pixels = settings.max_pixels},
        batch_(static_cast<std::size_t>(settings.batch)) {
    if (settings.source.empty())
      bytes_.push_back(sample_picture_bytes());
    else
      for (const auto& file : list_pictures(settings.source)) bytes_.push_back(read_binary_file(file));
    stages_ = {{"decode_ms", {}}, {"preprocess_ms", {}}, {"model_ms", {}}, {"postprocess_ms", {}}};
  }

  void run(bool record) {
    const Stopwatch watch;
    std::vector<Picture> pictures;
    for (std::size_t i = 0; i < batch_; ++i)
      pictures.push_back(decode_picture(bytes_[next_++ % bytes_.size()], "picture", limits_));
    const double decode_ms = watch.milliseconds();
    std::vector<RgbView> views;
    for (const Picture& picture : pictures) views.push_back({picture.rgb.data(), picture.width, picture.height});
    DetectionTimes times;
    const PictureLoad load{std::ssize(views), detector_.input_height(), detector_.input_width()};
    limit_.run(load, [&] { return detector_.detect(views, &times); });
    if (!record) return;
    const std::array<double, 4> ms{decode_ms, times.preprocess_ms, times.model_ms, times.postprocess_ms};
    for (std::size_t i = 0; i < ms.size(); ++i) stages_[i].ms.push_back(ms[i]);
  }
  const std::vector<StageTimes>& stages() const { return stages_; }
  std::int64_t decoder_layers() const { return detector_.decoder_layers(); }
  torch::Device device() const { return device_; }

 private:
  Detector detector_;
  torch::Device device_;
  LoadLimit limit_{"a smaller batch= or imgsz= needs less"};
  PictureLimits limits_;
  std::size_t batch_, next_ = 0;
  std::vector<std::vector<std::byte>> bytes_;
  std::vector<StageTimes> stages_;
};

std::string report_text(const Settings& settings, const Pipeline& pipeline, const ImageSize& size, std::int64_t layers,
                        Precision precision) {
  TextTable table({{"ms per batch", TextTable::Align::kLeft}, {"min"}, {"p50"}, {"p95"}, {"p99"}});
  const std::optional<double> card = device_peak_mib(pipeline.device());
  double total = 0;
  for (const StageTimes& stage : pipeline.stages()) {
    const Spread spread = spread_of(stage.ms);
    total += spread.p50;
    table.add({stage.name.substr(0, stage.name.size() - 3), fixed(spread.min, 2), fixed(spread.p50, 2),
               fixed(spread.p95, 2), fixed(spread.p99, 2)});
  }
  return settings.model + ", " + std::to_string(layers) + " decoder layers, fused, " + precision_name(precision) +
         ", " + std::to_string(size.height) + "x" + std::to_string(size.width) + ", batch " +
         std::to_string(settings.batch) + ", " + describe_device(pipeline.device()) + ", " +
         std::to_string(settings.runs) + " runs\n\n" + table.text() + "\n" +
         fixed(1000.0 * static_cast<double>(settings.batch) / total, 1) +
         " pictures/s one stage after the other, peak memory " + fixed(peak_memory_mib(), 0) + " MiB" +
         (card ? ", on the GPU " + fixed(*card, 0) + " MiB" : "") + "\n";
}

nlohmann::ordered_json report_json(const Settings& settings, const Pipeline& pipeline, const ImageSize& size,
                                   std::int64_t layers, Precision precision) {
  nlohmann::ordered_json document = {{"model", settings.model},
                                     {"imgsz", {size.height, size.width}},
                                     {"batch", settings.batch},
                                     {"threads", at::get_num_threads()},
                                     {"runs", settings.runs},
                                     {"decoder_layers", layers},
                                     {"device", pipeline.device().str()},
                                     {"precision", precision_name(precision)}};
  for (const StageTimes& stage : pipeline.stages()) {
    const Spread spread = spread_of(stage.ms);
    document[stage.name] = {{"min", spread.min}, {"p50", spread.p50}, {"p95", spread.p95}, {"p99", spread.p99}};
  }
  document["peak_mib"] = peak_memory_mib();
  if (const auto card = device_peak_mib(pipeline.device())) document["device_peak_mib"] = *card;
  return document;
}

}  // namespace

ExitCode run_benchmark(const Settings& settings) {
  OpenedModel opened = open_model(settings);
  const ImageSize size = resolve_image_size(settings, opened.size(), opened.model->stride());
  const torch::Device device = compute_device(settings);
  const DetectorOptions options{.height = static_cast<int>(size.height),
                                .width = static_cast<int>(size.width),
                                .device = device.str(),
                                .precision = model_precision(settings, device)};
  Pipeline pipeline(settings, Detector(LoadedModel{opened.model, std::move(opened.info), {}}, options), device);
  const std::int64_t layers = pipeline.decoder_layers();
  for (int i = 0; i < kWarmUpRuns; ++i) pipeline.run(false);
  for (std::int64_t i = 0; i < settings.runs; ++i) {
    pipeline.run(true);
    if (!settings.quiet) log::progress("run " + std::to_string(i + 1) + " of " + std::to_string(settings.runs));
  }
  log::end_progress();
  print_text(settings, report_text(settings, pipeline, size, layers, options.precision));
  print_json(settings, report_json(settings, pipeline, size, layers, options.precision));
  return ExitCode::kOk;
}

}  // namespace rtdetr
