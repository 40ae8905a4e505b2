#include "train/loop/train_step.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/record_function.h>
#include <torch/types.h>

#include "core/base/check.h"
#include "core/base/random.h"
#include "core/base/text.h"
#include "core/ops/autocast.h"
#include "models/layers/batch_norm.h"

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
    std::vector<std::string>& names = names_.emplace_back();
    for (const LossTerm& term : result.terms) names.push_back(term.name);
    add(result.total);
    add(result.values);
  }
  void add_gradient_norm(const torch::Tensor& norm) { add(norm); }
  /// After all else.
  void add_loss_scale(const torch::Tensor& factor) {
    add(factor);
    has_scale_ = true;
  }
  /// The average over all processes, from now on.
  /// @return  float32 scalar: 1 if a number is not finite, in this process or another
  torch::Tensor refused(ProcessGroup& group) {
    const torch::Tensor own = torch::cat(numbers_);
    const torch::Tensor bad = own.isfinite().all().logical_not().to(torch::kFloat64).view({1});
    const torch::Tensor all = torch::cat({own / static_cast<double>(group.size()), bad});
    group.all_reduce(all, Reduction::kSum);
    all[-1].clamp_max_(1);
    numbers_ = {all};
    return all[-1].to(torch::kFloat32);
  }
  /// Waits for the device.
  StepReport read() const;

 private:
  void add(const torch::Tensor& numbers) { numbers_.push_back(numbers.detach().view({-1}).to(torch::kFloat64)); }

  std::vector<std::vector<std::string>> names_;  ///< of each batch's terms: one without boxes may have fewer
  std::vector<torch::Tensor> numbers_;  ///< total, terms of each batch; gradient norm; refused (0 or 1); loss' factor
  bool has_scale_ = false;
};

double& term_of(StepReport& report, const std::string& name) {
  const auto found = std::ranges::find(report.terms, name, &std::pair<std::string, double>::first);
  return found != report.terms.end() ? found->second : report.terms.emplace_back(name, 0.0).second;
}

StepReport StepNumbers::read() const {
  RECORD_USER_SCOPE("reading the numbers");
  const torch::Tensor all = torch::cat(numbers_).cpu();
  const double* number = all.const_data_ptr<double>();
  const double* const end = number + all.numel() - (has_scale_ ? 3 : 2);
  StepReport report;
  if (has_scale_) report.loss_scale = end[2];
  for (const std::vector<std::string>& names : names_) {
    if (!std::isfinite(report.loss)) break;
    report.loss += *number++;
    for (const std::string& name : names) term_of(report, name) += *number++;
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

/// What the optimizer trains, in the order in which the model has it.
std::vector<torch::Tensor> trained_parameters(const DetectionModel& model, const Optimizer& optimizer) {
  std::set<const void*> trained;
  for (const ParameterGroup& group : optimizer.groups()) {
    for (const NamedParameter& parameter : group.parameters) trained.insert(parameter.value.unsafeGetTensorImpl());
  }
  std::vector<torch::Tensor> parameters;
  for (const torch::Tensor& parameter : model->parameters()) {
    if (parameter.requires_grad() && trained.contains(parameter.unsafeGetTensorImpl())) parameters.push_back(parameter);
  }
  return parameters;
}

std::int64_t largest_count(const Batch& batch) {
  std::size_t largest = 0;
  for (const Batch::Image& image : batch.targets) largest = std::max(largest, image.labels.size());
  return static_cast<std::int64_t>(largest);
}

}  // namespace

TrainStep::TrainStep(DetectionModel model, Optimizer& optimizer, Ema& ema, const StepOptions& options,
                     ProcessGroup& group)
    : model_(std::move(model)),
      optimizer_(optimizer),
      ema_(ema),
      options_(options),
      group_(group),
      mover_(options.device) {
  for (const auto& item : model_->named_parameters()) check_device(item.key(), item.value(), options_.device);
  for (const auto& item : model_->named_buffers()) check_device(item.key(), item.value(), options_.device);
  for (const torch::Tensor& buffer : model_->buffers()) {
    Statistics& statistics = statistics_[buffer.scalar_type()];
    statistics.live.push_back(buffer.detach());
    statistics.remembered.push_back(buffer.detach().clone());
  }
  type_ = model_->parameters().front().scalar_type();
  reducer_ = group_.make_reducer(trained_parameters(model_, optimizer_));
  if (options_.precision == Precision::kFloat16) scale_.emplace(options_.device);
  if (options_.sync_bn && group_.size() > 1)
    join_batches(*model_, [this](const torch::Tensor& sums) { group_.all_reduce(sums, Reduction::kSum); });
}

TrainStep::~TrainStep() {
  if (options_.sync_bn) join_batches(*model_, {});
}

StepReport TrainStep::run(std::span<const Batch> batches, const StepPosition& position, const StepRates& rates) {
  StepNumbers numbers;
  remember_statistics();
  optimizer_.zero_grad();
  const CriterionOptions criterion = options_.criterion.at_epoch(position.epoch);
  JointCounts counts = count_jointly(batches);
  if (options_.criterion.joint_pairs && batches.size() > 1)
    counts.pairs = count_joint_pairs(batches, position, criterion);
  for (std::size_t i = 0; i < batches.size(); ++i) {
    ForwardOptions forward_options;
    forward_options.generator = generator_for(position, i);
    forward_options.repeat_shapes = !options_.device.is_cpu();
    forward_options.share = {group_.rank(), group_.size(), counts.largest[i]};
    const CriterionResult result = losses_of(batches[i], counts, i, forward_options, criterion);
    numbers.add(result);
    const torch::Tensor total = scale_ ? scale_->scaled(result.total) : result.total;
    RECORD_USER_SCOPE("backward");
    const bool last = i + 1 == batches.size();
    last ? reducer_->backward(total) : total.backward();
  }
  average_statistics();
  {
    RECORD_USER_SCOPE("clip and optimizer");
    if (scale_) scale_->unscale(optimizer_);
    const torch::Tensor norm = optimizer_.gradient_norm();
    numbers.add_gradient_norm(norm);
    clip_gradients(optimizer_, norm, options_.clip_norm);
    const torch::Tensor refused = numbers.refused(group_);
    optimizer_.step(rates, refused);
    if (scale_) {
      scale_->update(refused);
      numbers.add_loss_scale(scale_->factor());
    }
  }
  const StepReport report = numbers.read();
  if (report.applied) {
    RECORD_USER_SCOPE("average");
    ema_.update();
  } else {
    take_back_statistics();
  }
  optimizer_.zero_grad();
  return report;
}

void TrainStep::expect(std::span<const Batch> batches) {
  for (const Batch& batch : batches) mover_.start(batch);
}

void TrainStep::register_state(StateRegistry& registry) {
  if (scale_) scale_->register_state(registry);
}

/// A sum brings every process the largest counts of all: each writes its own beside the others', behind its boxes and
/// pictures.
TrainStep::JointCounts TrainStep::count_jointly(std::span<const Batch> batches) {
  const auto size = static_cast<std::size_t>(group_.size()), rank = static_cast<std::size_t>(group_.rank());
  std::vector<std::int64_t> counts((2 + size) * batches.size());
  for (std::size_t i = 0; i < batches.size(); ++i) {
    std::int64_t* const own = counts.data() + i * (2 + size);
    own[0] = count_boxes(batches.subspan(i, 1));
    own[1] = batches[i].size;
    own[2 + rank] = largest_count(batches[i]);
  }
  group_.all_reduce(std::span(counts), Reduction::kSum);
  JointCounts joint;
  for (auto first = counts.begin(); first != counts.end(); first += static_cast<std::ptrdiff_t>(2 + size)) {
    joint.of_batch.push_back(static_cast<double>(*first));
    joint.pictures_of_batch.push_back(static_cast<double>(first[1]));
    joint.boxes += joint.of_batch.back();
    joint.pictures += joint.pictures_of_batch.back();
    joint.largest.push_back(*std::max_element(first + 2, first + static_cast<std::ptrdiff_t>(2 + size)));
  }
  return joint;
}

double TrainStep::sum_of_all(double own) {
  group_.all_reduce(std::span(&own, 1), Reduction::kSum);
  return own;
}

/// Of a batch of the step: a function of the run's seed and the batch's place alone.
torch::Generator TrainStep::generator_for(const StepPosition& position, std::size_t batch) const {
  const std::int64_t index = position.first_batch + static_cast<std::int64_t>(batch);
  return at::make_generator<at::CPUGeneratorImpl>(noise_seed(options_.seed, position.epoch, index));
}

/// The losses of the first batch need a number that the matching of the last one brings, and to keep the graphs of all
/// until then is what accumulation is there to avoid: a forward pass and the matching alone, without denoising queries,
/// which no other query sees. Branches are left out as in the pass that learns.
double TrainStep::count_joint_pairs(std::span<const Batch> batches, const StepPosition& position,
                                    const CriterionOptions& criterion) {
  RECORD_USER_SCOPE("joint pairs");
  const torch::NoGradGuard no_grad;
  double pairs = 0;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const auto [images, targets, valid_sizes] = mover_.take(batches[i]);
    ForwardOptions without_targets;
    without_targets.valid_sizes = valid_sizes;
    without_targets.generator = generator_for(position, i);
    without_targets.share = {group_.rank(), group_.size(), {}};
    without_targets.all_layers = true;
    const ModelOutput output = forward(images, without_targets);
    pairs += static_cast<double>(count_pairs(find_joint_pairs(output, targets, criterion)));
  }
  take_back_statistics();
  return sum_of_all(pairs);
}

/// With gradients averaged over the processes, a divisor is a process' share of the joint number. The reference takes
/// at least 1 box for each process, which makes a batch with fewer boxes than processes count less.
WholeStep TrainStep::whole_step(const JointCounts& counts, std::size_t index) {
  const bool by_batch = options_.criterion.normalizer == CriterionOptions::Normalizer::kMatchedPairs;
  const auto processes = static_cast<double>(group_.size());
  WholeStep whole;
  whole.num_boxes = std::max(1.0, by_batch ? counts.of_batch[index] : counts.boxes) / processes;
  whole.pictures = counts.pictures / processes;
  whole.has_boxes = counts.of_batch[index] > 0;
  whole.batch = counts.pictures_of_batch[index];
  whole.processes = processes;
  whole.joint_pairs = [this, known = counts.pairs, processes](double own) {
    return (known ? *known : sum_of_all(own)) / processes;
  };
  return whole;
}

ModelOutput TrainStep::forward(const torch::Tensor& images, const ForwardOptions& options) {
  const AutocastScope autocast(options_.precision, options_.device);
  return model_->forward(images.to(type_), options);
}

CriterionResult TrainStep::losses_of(const Batch& batch, const JointCounts& counts, std::size_t index,
                                     const ForwardOptions& options, const CriterionOptions& criterion) {
  const auto [images, targets, valid_sizes] = mover_.take(batch);
  ForwardOptions with_targets = options;
  with_targets.valid_sizes = valid_sizes;
  with_targets.targets = targets;
  const ModelOutput output = forward(images, with_targets);
  return compute_losses(output, targets, whole_step(counts, index),
                        group_.size() == 1 ? criterion : criterion.for_part_of_batch(counts.of_batch[index]));
}

/// Every process has measured its own pictures; all go on with the same numbers.
void TrainStep::average_statistics() {
  if (group_.size() == 1 || options_.sync_bn) return;
  torch::NoGradGuard no_grad;
  const std::vector<torch::Tensor> statistics = moving_statistics(*model_);
  if (statistics.empty()) return;
  std::vector<std::int64_t> sizes;
  for (const torch::Tensor& values : statistics) sizes.push_back(values.numel());
  const torch::Tensor all = torch::cat(statistics) / static_cast<double>(group_.size());
  group_.all_reduce(all, Reduction::kSum);
  at::_foreach_copy_(statistics, all.split_with_sizes(sizes));
}

void TrainStep::remember_statistics() {
  RECORD_USER_SCOPE("statistics");
  torch::NoGradGuard no_grad;
  for (const auto& [type, statistics] : statistics_) at::_foreach_copy_(statistics.remembered, statistics.live);
}

void TrainStep::take_back_statistics() {
  torch::NoGradGuard no_grad;
  for (const auto& [type, statistics] : statistics_) at::_foreach_copy_(statistics.live, statistics.remembered);
}

std::string describe_refused(const StepReport& report, double rate, std::span<const Batch> batches,
                             const Dataset& dataset) {
  if (report.overflowed()) {
    return "step refused, nothing was changed: gradients beyond fp16; the loss is multiplied by " +
           format_double(*report.loss_scale) + " from now on";
  }
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
