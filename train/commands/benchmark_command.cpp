#include <algorithm>
#include <chrono>
#include <cmath>

#include <torch/torch.h>
#include <nlohmann/json.hpp>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/io/file.h"
#include "models/deploy/model_input.h"
#include "models/deploy/postprocess.h"
#include "models/layers/module_tree.h"
#include "train/commands/commands.h"
#include "train/commands/model_source.h"
#include "train/commands/picture_sources.h"
#include "train/commands/sample_picture.h"
#include "train/loop/experiment.h"
#include "train/process/machine.h"
#include "train/report/output.h"

/// Milliseconds of each stage from a picture's bytes to its detections, per batch. The stages take turns inside every
/// repetition, so that a disturbance of the machine does not hit one of them alone.
namespace rtdetr {

namespace {

using Clock = std::chrono::steady_clock;

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
  Pipeline(const Settings& settings, OpenedModel& opened, const ImageSize& size)
      : model_(opened.model),
        size_(size),
        limits_{.max_pixels = settings.max_pixels},
        batch_(static_cast<std::size_t>(settings.batch)) {
    if (settings.source.empty())
      bytes_.push_back(sample_picture_bytes());
    else
      for (const auto& file : list_pictures(settings.source)) bytes_.push_back(read_binary_file(file));
    stages_ = {{"decode_ms", {}}, {"preprocess_ms", {}}, {"model_ms", {}}, {"postprocess_ms", {}}};
  }

  void run(bool record) {
    std::vector<Picture> pictures;
    std::vector<PictureSize> sizes;
    torch::Tensor input;
    ModelOutput output;
    time(0, record, [&] {
      for (std::size_t i = 0; i < batch_; ++i)
        pictures.push_back(decode_picture(bytes_[next_++ % bytes_.size()], "picture", limits_));
    });
    for (const Picture& picture : pictures) sizes.push_back({picture.width, picture.height});
    time(1, record, [&] { input = model_input(pictures, size_); });
    time(2, record, [&] { output = model_->forward(input); });
    time(3, record, [&] { postprocess(output.layers.back(), sizes); });
  }
  const std::vector<StageTimes>& stages() const { return stages_; }

 private:
  template <class Work>
  void time(std::size_t stage, bool record, const Work& work) {
    const auto start = Clock::now();
    work();
    const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    if (record) stages_[stage].ms.push_back(ms);
  }

  DetectionModel model_;
  ImageSize size_;
  PictureLimits limits_;
  std::size_t batch_, next_ = 0;
  std::vector<std::vector<std::byte>> bytes_;
  std::vector<StageTimes> stages_;
};

std::string report_text(const Settings& settings, const Pipeline& pipeline, const ImageSize& size,
                        std::int64_t layers) {
  TextTable table({{"ms per batch", TextTable::Align::kLeft}, {"min"}, {"p50"}, {"p95"}, {"p99"}});
  double total = 0;
  for (const StageTimes& stage : pipeline.stages()) {
    const Spread spread = spread_of(stage.ms);
    total += spread.p50;
    table.add({stage.name.substr(0, stage.name.size() - 3), fixed(spread.min, 2), fixed(spread.p50, 2),
               fixed(spread.p95, 2), fixed(spread.p99, 2)});
  }
  return settings.model + ", " + std::to_string(layers) + " decoder layers, fused, " + std::to_string(size.height) +
         "x" + std::to_string(size.width) + ", batch " + std::to_string(settings.batch) + ", " +
         std::to_string(at::get_num_threads()) + " threads, " + std::to_string(settings.runs) + " runs\n\n" +
         table.text() + "\n" + fixed(1000.0 * static_cast<double>(settings.batch) / total, 1) +
         " pictures/s one stage after the other, peak memory " + fixed(peak_memory_mib(), 0) + " MiB\n";
}

nlohmann::ordered_json report_json(const Settings& settings, const Pipeline& pipeline, const ImageSize& size,
                                   std::int64_t layers) {
  nlohmann::ordered_json document = {{"model", settings.model}, {"imgsz", {size.height, size.width}},
                                     {"batch", settings.batch}, {"threads", at::get_num_threads()},
                                     {"runs", settings.runs},   {"decoder_layers", layers}};
  for (const StageTimes& stage : pipeline.stages()) {
    const Spread spread = spread_of(stage.ms);
    document[stage.name] = {{"min", spread.min}, {"p50", spread.p50}, {"p95", spread.p95}, {"p99", spread.p99}};
  }
  document["peak_mib"] = peak_memory_mib();
  return document;
}

}  // namespace

ExitCode run_benchmark(const Settings& settings) {
  OpenedModel opened = open_model(settings);
  const ImageSize size = resolve_image_size(settings, opened.size(), opened.model->stride());
  if (!opened.model->fused()) opened.model->fuse();
  to_channels_last(*opened.model);
  const std::int64_t layers = opened.model->num_decoder_layers();
  const c10::InferenceMode inference;
  Pipeline pipeline(settings, opened, size);
  for (int i = 0; i < kWarmUpRuns; ++i) pipeline.run(false);
  for (std::int64_t i = 0; i < settings.runs; ++i) {
    pipeline.run(true);
    if (!settings.quiet) log::progress("run " + std::to_string(i + 1) + " of " + std::to_string(settings.runs));
  }
  log::end_progress();
  print_text(settings, report_text(settings, pipeline, size, layers));
  print_json(settings, report_json(settings, pipeline, size, layers));
  return ExitCode::kOk;
}

}  // namespace rtdetr
