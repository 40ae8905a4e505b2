#include "train/evaluation/evaluator.h"

#include <algorithm>
#include <utility>

#include <torch/types.h>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/image/placement.h"
#include "core/ops/autocast.h"
#include "core/ops/device.h"
#include "core/ops/device_memory.h"
#include "data/loader/loader.h"
#include "models/graph/fitted_pictures.h"
#include "train/evaluation/batch_mover.h"
#include "train/evaluation/findings.h"
#include "train/evaluation/loss_means.h"

namespace rtdetr {
namespace {

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

Loader evaluation_loader(const Dataset& dataset, const EvaluatorOptions& options, std::int64_t stride,
                         const ProcessGroup& group) {
  TransformOptions transforms;
  transforms.augment = false;
  transforms.height = options.height;
  transforms.width = options.width;
  transforms.stride = stride;
  transforms.resampling = options.resampling;
  transforms.fit = options.fit;
  LoaderOptions loader;
  loader.batch_size = options.batch;
  loader.threads = options.workers;
  loader.shuffle = false;
  loader.drop_last = false;
  loader.rank = group.rank();
  loader.world = group.size();
  loader.memory = batch_memory(options.device);
  return Loader(dataset, transforms, loader);
}

/// An evaluation's batches, each with the pictures that are its own. While a GPU computes one, the next is read and
/// sets out.
class Batches {
 public:
  Batches(const Dataset& dataset, const EvaluatorOptions& options, std::int64_t stride, const ProcessGroup& group)
      : loader_(evaluation_loader(dataset, options, stride, group)),
        mover_(options.device),
        ahead_(!options.device.is_cpu()) {
    loader_.start(0);
  }
  std::optional<Batch> next() { return next_ ? std::exchange(next_, std::nullopt) : read(); }
  BatchTensors take(const Batch& batch) { return mover_.take(batch); }
  /// A batch has been given to the device, and not yet been waited for.
  void look_ahead() {
    if (ahead_) next_ = read();
    if (next_ && next_->size > 0) mover_.start(*next_);
  }

 private:
  std::optional<Batch> read() {
    std::optional<Batch> batch = loader_.next();
    if (batch) leave_out_repeated(*batch);
    return batch;
  }

  Loader loader_;
  BatchMover mover_;
  bool ahead_;
  std::optional<Batch> next_;
};

ModelOutput pass(DetectionModel& model, const torch::Tensor& images, const ForwardOptions& what,
                 const EvaluatorOptions& options) {
  const AutocastScope autocast(options.precision, options.device);
  return model->forward(images, what);
}

torch::Tensor timed_picture(const EvaluatorOptions& options, std::int64_t stride) {
  const ImageSize size = rounded_up({options.height, options.width}, stride);
  return torch::rand({1, 3, size.height, size.width}).contiguous(torch::MemoryFormat::ChannelsLast).to(options.device);
}

/// Of a head's layers the one that it detects with; those behind it only learn.
std::size_t detecting_layer(const Head& head) {
  const std::vector<HeadLayer> layers = head.layers();
  const auto found = std::ranges::find(layers, head.usual_layers(), &HeadLayer::number);
  RTDETR_CHECK(found != layers.end(), "a head does not name the layer that it detects with");
  return static_cast<std::size_t>(found - layers.begin());
}

std::vector<HeadLayer> evaluated_layers(const Head& head, const EvaluatorOptions& options) {
  const std::vector<HeadLayer> layers = head.layers();
  return options.predictor.last_alone ? std::vector<HeadLayer>{layers[detecting_layer(head)]} : layers;
}

/// Every layer of the model, or the detecting one as the predictor has it.
ModelOutput predict(DetectionModel& model, const BatchTensors& batch, const EvaluatorOptions& options) {
  if (!options.predictor)
    return pass(model, batch.images, {.all_layers = true, .valid_sizes = batch.valid_sizes}, options);
  ModelOutput output = options.predictor.run(batch.images, batch.valid_sizes);
  if (!options.predictor.last_alone) return output;
  std::vector<Prediction> layers(static_cast<std::size_t>(model->head().usual_layers()));
  layers.back() = output.layers.back();
  output.layers = std::move(layers);
  return output;
}

}  // namespace

std::optional<Evaluation> evaluate(DetectionModel& model, const Dataset& dataset, const EvaluatorOptions& options,
                                   const std::function<bool()>& cancelled, ProcessGroup& group) {
  const double begin = seconds_now();
  torch::NoGradGuard no_grad;
  model->eval();
  require_fit(*model, options.fit);
  Batches batches(dataset, options, model->stride(), group);
  const std::vector<HeadLayer> layers = evaluated_layers(model->head(), options);
  std::vector<LayerFindings> findings(layers.size());
  LossMeans losses;
  LoadLimit limit("a smaller batch= or imgsz= needs less");
  Evaluation evaluation;
  evaluation.detects_with = options.predictor.last_alone ? 0 : detecting_layer(model->head());
  while (const auto batch = batches.next()) {
    if (cancelled && cancelled()) return std::nullopt;
    const WholeBatch whole = whole_of(*batch, group);
    evaluation.pictures += static_cast<std::int64_t>(whole.pictures);
    if (batch->size == 0) {
      if (options.criterion) LossMeans::add_none(*options.criterion, group);
      continue;
    }
    const BatchTensors tensors = batches.take(*batch);
    const PictureLoad load{batch->size, batch->height, batch->width};
    limit.run(load, [&] {
      const ModelOutput output = predict(model, tensors, options);
      batches.look_ahead();
      collect(model->head(), layers, keep_wanted(output, options.wanted), *batch, dataset,
              {.suppression = options.suppression}, findings);
      if (options.criterion) losses.add(output, tensors.targets, whole, *options.criterion, group);
    });
    if (options.progress) options.progress(evaluation.pictures);
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    std::vector<MetricDetection> found = gather(std::move(findings[i]), group);
    if (!options.wanted.are_all()) std::erase_if(found, [](const MetricDetection& other) { return other.score == 0; });
    evaluation.layers.push_back({.layer = layers[i], .metric = evaluate_coco(dataset.truth, found, options.threads)});
    if (i == evaluation.detects_with) evaluation.detections = std::move(found);
  }
  if (options.criterion) evaluation.losses = losses.means(evaluation.pictures, group);
  evaluation.seconds = seconds_now() - begin;
  return evaluation;
}

namespace {

constexpr int kTimedRuns = 10;

/// By the layers that it predicts.
std::vector<double> time_predictor(const EvaluatorOptions& options, std::int64_t stride) {
  torch::NoGradGuard no_grad;
  const torch::Tensor picture = timed_picture(options, stride);
  std::vector<std::vector<double>> times;
  for (int run = -1; run < kTimedRuns; ++run) {  // run -1 warms up
    const double begin = seconds_now();
    std::vector<double> ms;
    if (options.predictor.layer_ms) {
      ms = options.predictor.layer_ms(picture);
    } else {
      options.predictor.run(picture, {});
      ms = {(seconds_now() - begin) * 1e3};
    }
    times.resize(ms.size());
    for (std::size_t i = 0; run >= 0 && i < ms.size(); ++i) times[i].push_back(ms[i]);
  }
  std::vector<double> medians;
  for (std::vector<double>& of_layer : times) medians.push_back(median(std::move(of_layer)));
  return medians;
}

}  // namespace

std::vector<double> time_layers(DetectionModel& model, const EvaluatorOptions& options, int runs) {
  torch::NoGradGuard no_grad;
  model->eval();
  const torch::Tensor picture = timed_picture(options, model->stride());
  const auto layers = static_cast<std::size_t>(model->num_decoder_layers());
  std::vector<std::vector<double>> times(layers + 1);
  for (int run = -1; run < runs; ++run) {  // run -1 warms up
    for (std::size_t k = 1; k <= layers; ++k) {
      const double begin = seconds_now();
      pass(model, picture, {.decoder_layers = static_cast<std::int64_t>(k)}, options);
      wait_for(options.device);
      if (run >= 0) times[k].push_back((seconds_now() - begin) * 1e3);
    }
  }
  std::vector<double> by_number(layers + 1, -1);
  for (std::size_t k = 1; k <= layers; ++k) by_number[k] = median(times[k]);
  if (layers > 1) by_number[0] = by_number[1] - (by_number[layers] - by_number[1]) / static_cast<double>(layers - 1);
  std::vector<double> ms;
  for (const HeadLayer& layer : model->head().layers()) ms.push_back(by_number[static_cast<std::size_t>(layer.number)]);
  return ms;
}

void add_times(Evaluation& evaluation, DetectionModel& model, const EvaluatorOptions& options) {
  const std::vector<double> ms =
      options.predictor ? time_predictor(options, model->stride()) : time_layers(model, options);
  const std::vector<HeadLayer> timed = evaluated_layers(model->head(), options);
  for (Evaluation::Layer& evaluated : evaluation.layers) {
    const auto same = [&](const HeadLayer& layer) { return layer.number == evaluated.layer.number; };
    const auto found = std::ranges::find_if(timed, same);
    if (found != timed.end()) evaluated.ms = ms.at(static_cast<std::size_t>(found - timed.begin()));
  }
}

}  // namespace rtdetr
