#include "train/loop/train_step.h"

#include <cmath>

#include <ATen/CPUGeneratorImpl.h>
#include <torch/torch.h>

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

/// Adds a batch's terms to the step's; reads them from the device in one copy.
void add_terms(StepReport& report, const CriterionResult& result) {
  const torch::Tensor numbers =
      torch::cat({result.total.detach().view({1}), result.values.detach()}).to(torch::kFloat64).cpu();
  const double* number = numbers.const_data_ptr<double>();
  report.loss += number[0];
  if (report.terms.empty()) {
    for (const LossTerm& term : result.terms) report.terms.emplace_back(term.name, 0.0);
  }
  for (std::size_t i = 0; i < result.terms.size(); ++i) report.terms[i].second += number[i + 1];
}

}  // namespace

TrainStep::TrainStep(DetectionModel model, AdamW& optimizer, Ema& ema, const StepOptions& options)
    : model_(std::move(model)), optimizer_(optimizer), ema_(ema), options_(options) {
  for (const torch::Tensor& buffer : model_->buffers()) {
    statistics_.push_back(buffer.detach());
    remembered_.push_back(buffer.detach().clone());
  }
}

StepReport TrainStep::run(std::span<const Batch> batches, const StepPosition& position, double lr_factor) {
  StepReport report;
  remember_statistics();
  optimizer_.zero_grad();
  const auto num_boxes = static_cast<double>(count_boxes(batches));
  for (std::size_t i = 0; i < batches.size() && std::isfinite(report.loss); ++i) {
    const std::int64_t index = position.first_batch + static_cast<std::int64_t>(i);
    const CriterionResult result = losses_of(batches[i], num_boxes, noise_seed(options_.seed, position.epoch, index));
    add_terms(report, result);
    if (std::isfinite(report.loss)) result.total.backward();
  }
  report.gradient_norm = std::isfinite(report.loss) ? optimizer_.gradient_norm() : std::nan("");
  report.applied = std::isfinite(report.loss) && std::isfinite(report.gradient_norm);
  if (report.applied) {
    apply(report, lr_factor);
  } else {
    take_back_statistics();
  }
  optimizer_.zero_grad();
  return report;
}

CriterionResult TrainStep::losses_of(const Batch& batch, double num_boxes, std::uint64_t noise_seed) {
  const std::vector<Target> targets = targets_of(batch);
  ForwardOptions forward;
  forward.targets = targets;
  forward.generator = at::make_generator<at::CPUGeneratorImpl>(noise_seed);
  ModelOutput output;
  {
    const AutocastScope autocast(options_.precision, torch::kCPU);
    output = model_->forward(images_of(batch), forward);
  }
  return compute_losses(output, targets, num_boxes, options_.criterion);
}

void TrainStep::apply(const StepReport& report, double lr_factor) {
  clip_gradients(optimizer_, report.gradient_norm, options_.clip_norm);
  optimizer_.step(lr_factor);
  ema_.update();
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
