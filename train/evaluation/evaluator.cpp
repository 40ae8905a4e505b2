#include "train/evaluation/evaluator.h"

#include <algorithm>
#include <cmath>

#include <torch/torch.h>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/ops/device.h"
#include "data/loader/loader.h"
#include "losses/criterion.h"
#include "train/evaluation/batch_tensors.h"

namespace rtdetr {
namespace {

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void append_detections(std::vector<MetricDetection>& list, const Detections& found, std::int64_t image_id,
                       const ClassList& classes) {
  const auto boxes = found.boxes_xyxy.to(torch::kCPU, torch::kFloat64).contiguous();
  const auto scores = found.scores.to(torch::kCPU, torch::kFloat64).contiguous();
  if (!scores.isfinite().all().item<bool>()) {
    throw DivergedError("the model's scores for picture " + std::to_string(image_id) +
                        " are not finite: its weights are too large or damaged; an earlier checkpoint, a lower lr0= or "
                        "amp=off may help");
  }
  const auto labels = found.labels.to(torch::kCPU).contiguous();
  const double* box = boxes.const_data_ptr<double>();
  for (std::int64_t i = 0; i < labels.numel(); ++i, box += 4) {
    const auto label = static_cast<std::size_t>(labels.const_data_ptr<std::int64_t>()[i]);
    list.push_back({.image_id = image_id,
                    .category_id = classes.category_ids.at(label),
                    .box_xywh = {box[0], box[1], box[2] - box[0], box[3] - box[1]},
                    .score = scores.const_data_ptr<double>()[i]});
  }
}

/// Means of the loss terms over the pictures seen so far.
class LossMeans {
 public:
  void add(const ModelOutput& output, const Batch& batch, const CriterionOptions& criterion) {
    const auto boxes = static_cast<double>(count_boxes({&batch, 1}));
    const std::vector<Target> targets = targets_of(batch, output.layers.back().logits.device());
    const CriterionResult result = compute_losses(output, targets, boxes, criterion);
    const torch::Tensor values = result.values.to(torch::kCPU, torch::kFloat64).contiguous();
    sums_.resize(result.terms.size());
    for (std::size_t i = 0; i < result.terms.size(); ++i) {
      sums_[i].first = result.terms[i].name;
      sums_[i].second += values.const_data_ptr<double>()[i] * static_cast<double>(batch.size);
    }
    pictures_ += batch.size;
  }
  std::vector<std::pair<std::string, double>> means() const {
    auto means = sums_;
    for (auto& entry : means) entry.second /= static_cast<double>(std::max<std::int64_t>(pictures_, 1));
    return means;
  }

 private:
  std::vector<std::pair<std::string, double>> sums_;
  std::int64_t pictures_ = 0;
};

/// One batch's detections of every layer of the head, appended to each layer's list.
void collect(const Head& head, const ModelOutput& output, const Batch& batch, const Dataset& dataset,
             std::vector<std::vector<MetricDetection>>& by_layer) {
  std::vector<PictureSize> sizes;
  for (const Batch::Image& image : batch.targets) sizes.push_back({image.original_width, image.original_height});
  const std::vector<HeadLayer> layers = head.layers();
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    const auto found = head.postprocess(prediction_at(output, layers[layer]), sizes, {});
    for (std::size_t i = 0; i < found.size(); ++i) {
      const auto& picture = dataset.pictures[static_cast<std::size_t>(batch.targets[i].picture_index)];
      append_detections(by_layer[layer], found[i], picture.id, dataset.classes);
    }
  }
}

Loader evaluation_loader(const Dataset& dataset, const EvaluatorOptions& options) {
  TransformOptions transforms;
  transforms.augment = false;
  transforms.height = options.height;
  transforms.width = options.width;
  transforms.resampling = options.resampling;
  LoaderOptions loader;
  loader.batch_size = options.batch;
  loader.threads = options.workers;
  loader.shuffle = false;
  loader.drop_last = false;
  return Loader(dataset, transforms, loader);
}

}  // namespace

std::optional<Evaluation> evaluate(DetectionModel& model, const Dataset& dataset, const EvaluatorOptions& options,
                                   const std::function<bool()>& cancelled) {
  const double begin = seconds_now();
  torch::NoGradGuard no_grad;
  model->eval();
  Loader loader = evaluation_loader(dataset, options);
  const std::vector<HeadLayer> layers = model->head().layers();
  std::vector<std::vector<MetricDetection>> by_layer(layers.size());
  LossMeans losses;
  Evaluation evaluation;
  loader.start(0);
  while (auto batch = loader.next()) {
    if (cancelled && cancelled()) return std::nullopt;
    const ModelOutput output = model->forward(images_of(*batch, options.device), {.all_layers = true});
    collect(model->head(), output, *batch, dataset, by_layer);
    if (options.criterion) losses.add(output, *batch, *options.criterion);
    evaluation.pictures += batch->size;
  }
  for (std::size_t i = 0; i < layers.size(); ++i)
    evaluation.layers.push_back(
        {.layer = layers[i], .metric = evaluate_coco(dataset.truth, by_layer[i], options.threads)});
  evaluation.detections = std::move(by_layer.back());
  evaluation.losses = losses.means();
  evaluation.seconds = seconds_now() - begin;
  return evaluation;
}

std::vector<double> time_layers(DetectionModel& model, const EvaluatorOptions& options, int runs) {
  torch::NoGradGuard no_grad;
  model->eval();
  const torch::Tensor picture = torch::rand({1, 3, options.height, options.width})
                                    .contiguous(torch::MemoryFormat::ChannelsLast)
                                    .to(options.device);
  const auto layers = static_cast<std::size_t>(model->num_decoder_layers());
  std::vector<std::vector<double>> times(layers + 1);
  for (int run = -1; run < runs; ++run) {  // run -1 warms up
    for (std::size_t k = 1; k <= layers; ++k) {
      const double begin = seconds_now();
      model->forward(picture, {.decoder_layers = static_cast<std::int64_t>(k)});
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
  const std::vector<double> ms = time_layers(model, options);
  for (std::size_t i = 0; i < evaluation.layers.size(); ++i) evaluation.layers[i].ms = ms[i];
}

}  // namespace rtdetr
