#include "train/loop/train_step.h"

#include <cmath>

#include <ATen/CPUGeneratorImpl.h>
#include <torch/torch.h>

#include "core/base/error.h"
#include "core/base/random.h"
#include "core/base/text.h"
#include "train/evaluation/batch_tensors.h"

namespace rtdetr {
namespace {

std::uint64_t noise_seed(std::uint64_t seed, std::int64_t epoch, std::int64_t batch) {
  Random random(seed, RandomPurpose::kDenoising, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(batch));
  const std::uint64_t high = random.next_u32();
  return high << 32 | random.next_u32();
}

/// What a step computes, kept where it was computed until it is read.
class StepNumbers {
 public:
  void add(const CriterionResult& result) {
    if (names_.empty()) {
      for (const LossTerm& term : result.terms) names_.push_back(term.name);
    }
    add(result.total);
    add(result.values);
  }
  void add_gradient_norm(const torch::Tensor& norm) { add(norm); }
  /// float32 scalar: 1 if a number is not finite, in this process or another
  torch::Tensor refused(ProcessGroup& group) {
    const torch::Tensor bad = torch::cat(numbers_).isfinite().all().logical_not().to(torch::kFloat32).view({1});
    group.all_reduce(bad, Reduction::kSum);
    numbers_.push_back(bad.clamp_max_(1).to(torch::kFloat64));
    return bad.squeeze(0);
  }
  /// Waits for the device.
  StepReport read() const;

 private:
  void add(const torch::Tensor& numbers) { numbers_.push_back(numbers.detach().view({-1}).to(torch::kFloat64)); }

  std::vector<std::string> names_;      ///< of a batch's terms
  std::vector<torch::Tensor> numbers_;  ///< total, terms of each batch; gradient norm; refused
};

StepReport StepNumbers::read() const {
  const torch::Tensor all = torch::cat(numbers_).cpu();
  const double* number = all.const_data_ptr<double>();
  const double* const end = number + all.numel() - 2;
  StepReport report;
  for (const std::string& name : names_) report.terms.emplace_back(name, 0.0);
  for (; number < end && std::isfinite(report.loss); number += 1 + names_.size()) {
    report.loss += number[0];
    for (std::size_t i = 0; i < names_.size(); ++i) report.terms[i].second += number[i + 1];
  }
  report.gradient_norm = std::isfinite(report.loss) ? end[0] : std::nan("");
  report.applied = end[1] == 0;
  return report;
}

void check_device(const std::string& name, const torch::Tensor& tensor, torch::Device wanted) {
  const torch::Device found = tensor.device();
  RTDETR_CHECK(found.type() == wanted.type() && (!wanted.has_index() || found.index() == wanted.index()),
               "the step's device is " + wanted.str() + ", but " + name + " lies on " + found.str());
}

}  // namespace

TrainStep::TrainStep(DetectionModel model, AdamW& optimizer, Ema& ema, const StepOptions& options, ProcessGroup& group)
    : model_(std::move(model)), optimizer_(optimizer), ema_(ema), options_(options), group_(group) {
  for (const auto& item : model_->named_parameters()) check_device(item.key(), item.value(), options_.device);
  for (const auto& item : model_->named_buffers()) check_device(item.key(), item.value(), options_.device);
  for (const torch::Tensor& buffer : model_->buffers()) {
    statistics_.push_back(buffer.detach());
    remembered_.push_back(buffer.detach().clone());
  }
}

StepReport TrainStep::run(std::span<const Batch> batches, const StepPosition& position, double lr_factor) {
  StepNumbers numbers;
  remember_statistics();
  optimizer_.zero_grad();
  const double num_boxes = boxes_per_process(batches);
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const std::int64_t index = position.first_batch + static_cast<std::int64_t>(i);
    const CriterionResult result = losses_of(batches[i], num_boxes, noise_seed(options_.seed, position.epoch, index));
    numbers.add(result);
    result.total.backward();
  }
  const torch::Tensor norm = optimizer_.gradient_norm();
  numbers.add_gradient_norm(norm);
  clip_gradients(optimizer_, norm, options_.clip_norm);
  optimizer_.step(lr_factor, numbers.refused(group_));
  const StepReport report = numbers.read();
  if (report.applied) {
    ema_.update();
  } else {
    take_back_statistics();
  }
  optimizer_.zero_grad();
  return report;
}

/// The losses' divisor: with gradients averaged over the processes, that of the global batch.
double TrainStep::boxes_per_process(std::span<const Batch> batches) {
  auto boxes = static_cast<double>(count_boxes(batches));
  group_.all_reduce(std::span(&boxes, 1), Reduction::kSum);
  return boxes / static_cast<double>(group_.size());
}

CriterionResult TrainStep::losses_of(const Batch& batch, double num_boxes, std::uint64_t noise_seed) {
  const std::vector<Target> targets = targets_of(batch, options_.device);
  ForwardOptions forward;
  forward.targets = targets;
  forward.generator = at::make_generator<at::CPUGeneratorImpl>(noise_seed);
  ModelOutput output;
  {
    const AutocastScope autocast(options_.precision, options_.device);
    output = model_->forward(images_of(batch, options_.device), forward);
  }
  return compute_losses(output, targets, num_boxes, options_.criterion);
}

void TrainStep::remember_statistics() {
  torch::NoGradGuard no_grad;
  if (!statistics_.empty()) at::_foreach_copy_(remembered_, statistics_);
}

void TrainStep::take_back_statistics() {
  torch::NoGradGuard no_grad;
  if (!statistics_.empty()) at::_foreach_copy_(statistics_, remembered_);
}

std::string describe_refused(const StepReport& report, double rate, std::span<const Batch> batches,
                             const Dataset& dataset) {
  std::string text = "step refused, nothing was changed: loss " + format_double(report.loss) + ", gradient norm " +
                     format_double(report.gradient_norm) + ", learning rate " + format_double(rate);
  for (const auto& [name, value] : report.terms) {
    if (!std::isfinite(value)) text += ", " + name + " " + format_double(value);
  }
  text += "; pictures";
  for (const Batch& batch : batches) {
    for (const Batch::Image& image : batch.targets)
      text += " " + std::to_string(dataset.pictures[static_cast<std::size_t>(image.picture_index)].id);
  }
  return text;
}

}  // namespace rtdetr
