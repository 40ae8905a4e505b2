#include "train/loop/trial.h"

#include <algorithm>
#include <cstdlib>

#include <ATen/Parallel.h>
#include <torch/types.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/text.h"

namespace rtdetr {
namespace {

/// One optimizer step's batches, of each the rank's share, read and transformed in this thread.
std::vector<Batch> trial_batches(const Experiment& experiment, std::int64_t rank, std::int64_t world,
                                 std::int64_t side) {
  TransformOptions transforms = training_transforms(experiment);
  transforms.multi_scale.clear();
  if (side > 0) transforms.multi_scale = {side};
  LoaderOptions options = training_loader_options(experiment);
  options.threads = 0;
  options.rank = rank;
  options.world = world;
  Loader loader(experiment.train, transforms, options);
  loader.start(0);
  std::vector<Batch> batches;
  const std::int64_t count = std::min(experiment.settings.accumulate, experiment.batches_per_epoch());
  for (std::int64_t i = 0; i < count; ++i) batches.push_back(loader.next().value());
  return batches;
}

/// Both models' entries, as references.
StateRegistry models_of(const Experiment& experiment) {
  StateRegistry state;
  state.add_module("model.", *experiment.model);
  state.add_module("ema.", *experiment.average);
  return state;
}

TensorMap copies_of_models(const Experiment& experiment) {
  TensorMap copies = models_of(experiment).capture();
  for (auto& [name, tensor] : copies) tensor = tensor.clone();  // on the CPU they are the models' own
  return copies;
}

}  // namespace

Trial::Trial(Experiment& experiment, const ProcessGroup& group)
    : experiment_(experiment),
      rank_(group.rank()),
      world_(group.size()),
      before_(copies_of_models(experiment)),
      state_(train_input(experiment), train_options(experiment)) {}

Trial::~Trial() { models_of(experiment_).restore(before_, "before the trial"); }

double Trial::step(std::int64_t side) {
  const double begin = seconds_now();
  state_.step.run(trial_batches(experiment_, rank_, world_, side), {.first_batch = steps_++}, 0);
  return seconds_now() - begin;
}

std::uintmax_t Trial::state_bytes() const { return bytes_of(state_.registry.entries()); }

ThreadTrial try_fewer_threads(Trial& trial, const Settings& settings, double seconds) {
  const int threads = at::get_num_threads();
  if (settings.threads > 0 || std::getenv("OMP_NUM_THREADS") != nullptr || threads < 2) return {};
  at::set_num_threads(threads / 2);
  const double fewer_seconds = trial.step();
  at::set_num_threads(threads);
  return {threads, threads / 2, seconds, fewer_seconds};
}

std::string advise(const ThreadTrial& trial, std::int64_t pictures_per_step) {
  constexpr double kClearlyLess = 0.9;
  if (trial.fewer == 0 || trial.fewer_seconds >= kClearlyLess * trial.seconds) return "";
  const auto speed = [&](double seconds) { return fixed(static_cast<double>(pictures_per_step) / seconds, 1); };
  return "threads=" + std::to_string(trial.fewer) + " was faster in the trial steps (" + speed(trial.fewer_seconds) +
         " against " + speed(trial.seconds) + " pictures a second with " + std::to_string(trial.threads) +
         "): other programs keep this machine busy";
}

double measure_step(Experiment& experiment, double budget_seconds, const ProcessGroup& group) {
  constexpr double kShare = 0.05, kSlow = 0.1, kOneStep = 0.25;
  const Settings& settings = experiment.settings;
  const double begin = seconds_now();
  const auto fits = [&](double seconds) { return seconds_now() - begin + seconds <= kShare * budget_seconds; };
  Trial trial(experiment, group);
  const double first = trial.step();  // slower than those that follow
  if (first > kOneStep * budget_seconds) return first;
  const double second = std::min(first, trial.step());
  if (first > kSlow * budget_seconds || !fits(second)) return second;
  const double third = trial.step();
  if (experiment.device.is_cpu() && fits(2 * third)) {
    const std::string advice =
        advise(try_fewer_threads(trial, settings, std::min(second, third)), experiment.pictures_per_step());
    if (!advice.empty()) log::warning(advice);
  }
  return std::min(second, third);
}

}  // namespace rtdetr
