// N processes take the steps that one process takes: in float64, over the same pictures, with BatchNorm over all of
// them. From one saved state at every step, for training amplifies any difference of rounding.

#include <ATen/Parallel.h>
#include <torch/types.h>
#include <algorithm>
#include <barrier>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "core/base/random.h"
#include "core/io/file.h"
#include "data/loader/loader.h"
#include "tests/support/data_files.h"
#include "tests/support/micro_run.h"
#include "tests/support/rank_threads.h"
#include "tests/support/stop_when.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thread_world.h"
#include "train/loop/experiment.h"
#include "train/loop/run_start.h"
#include "train/loop/train_step.h"
#include "train/loop/trainer.h"
#include "train/optim/adamw.h"

namespace rtdetr {
namespace {

/// One rank's half of a run, or a whole one.
struct Half {
  Experiment experiment;
  AdamW optimizer;
  Ema ema;
  TrainStep step;
  StateRegistry state;
  Loader loader;
  std::int64_t epoch = -1, next = 0;

  Half(const Settings& settings, std::int64_t batch, bool augment, ProcessGroup& group)
      : experiment(in_float64(prepare_experiment(settings))),
        optimizer(experiment.groups),
        ema(*experiment.model, *experiment.average),
        step(experiment.model, optimizer, ema, {.criterion = criterion_options(experiment.settings)}, group),
        loader(experiment.train, transforms_of(experiment, augment), loader_of(experiment, batch, group)) {
    experiment.model->train();
    state.add_module("model.", *experiment.model);
    optimizer.register_state(state);
    ema.register_state(state);
  }

  static Experiment in_float64(Experiment experiment) {
    experiment.model->to(torch::kFloat64);
    experiment.average->to(torch::kFloat64);
    return experiment;
  }
  static TransformOptions transforms_of(const Experiment& experiment, bool augment) {
    TransformOptions transforms = training_transforms(experiment);
    transforms.augment = augment;
    return transforms;
  }
  static LoaderOptions loader_of(const Experiment& experiment, std::int64_t batch, const ProcessGroup& group) {
    LoaderOptions options = training_loader_options(experiment);
    options.batch_size = batch;
    options.threads = 0;
    options.rank = group.rank();
    options.world = group.size();
    return options;
  }

  /// The next `count` batches, over the ends of epochs.
  std::vector<Batch> batches(std::size_t count) {
    std::vector<Batch> list;
    while (list.size() < count) {
      if (epoch < 0 || next == loader.batches_per_epoch()) {
        loader.start(++epoch);
        next = 0;
      }
      list.push_back(*loader.next());
      ++next;
    }
    return list;
  }
  TensorMap copy_of_state() const {
    TensorMap copy;
    for (const auto& [name, tensor] : state.capture()) copy.emplace(name, tensor.clone());
    return copy;
  }
};

/// A step's clipped gradients, out of the first moments before it and after: what every rank's optimizer was given.
TensorMap gradients_between(const TensorMap& before, const TensorMap& after) {
  const std::string prefix = "adamw.exp_avg.";
  TensorMap gradients;
  for (const auto& [name, tensor] : after) {
    if (name.starts_with(prefix)) gradients.emplace(name.substr(prefix.size()), (tensor - 0.9 * before.at(name)) / 0.1);
  }
  return gradients;
}

double length_of(const torch::Tensor& values) { return values.norm().item<double>(); }

/// Largest relative difference of a gradient; those that are zero in theory, and rounding in practice, left out.
double largest_difference(const TensorMap& wanted, const TensorMap& found) {
  double all = 0, worst = 0;
  for (const auto& [name, gradient] : wanted) all = std::hypot(all, length_of(gradient));
  for (const auto& [name, gradient] : wanted) {
    if (length_of(gradient) > 1e-9 * all)
      worst = std::max(worst, length_of(gradient - found.at(name)) / length_of(gradient));
  }
  return worst;
}

/// Largest difference of any number of the state, relative to the largest of its tensor.
double state_difference(const TensorMap& wanted, const TensorMap& found) {
  double worst = 0;
  for (const auto& [name, tensor] : wanted) {
    const torch::Tensor a = tensor.to(torch::kFloat64), b = found.at(name).to(torch::kFloat64);
    const double largest = a.numel() == 0 ? 0 : a.abs().max().item<double>();
    if (largest > 1e-12) worst = std::max(worst, (a - b).abs().max().item<double>() / largest);
  }
  return worst;
}

void check_close(double difference, double tolerance, const std::string& what) {
  RTDETR_CHECK(difference <= tolerance, what + " differs by " + std::to_string(difference * 1e12) + "e-12");
}

double relative(double a, double b) { return std::abs(a - b) / std::abs(a); }

struct Equality {
  std::int64_t ranks = 2, batch = 4;
  std::size_t accumulate = 1;
  int steps = 10;
  bool free_running = false;
  bool over_gloo = false;  ///< as processes talk, gradients in buckets; else by memory that the threads share
  bool augment = false;    ///< batches of several sizes, too
  double tolerance = 1e-10;
  bool noisy_files = false;  ///< the pictures have noise of their own
  std::string model_change;  ///< in the model's text: "denoising: 10" becomes this
  /// Changes the joint batch before a step, by step and place in it.
  std::function<void(int, std::int64_t, Batch::Image&)> change;
};

/// The micro run's pictures are flat: many tokens are equal but for rounding, which would choose among them. Noise
/// makes each its own, the same for a picture of the joint batch whoever has it.
void add_noise(Batch& batch, std::uint64_t number, const ProcessGroup& group) {
  const auto values = static_cast<std::size_t>(3 * batch.height * batch.width);
  for (std::int64_t i = 0; i < batch.size; ++i) {
    Random random(1, RandomPurpose::kAugmentation, number, static_cast<std::uint64_t>(i * group.size() + group.rank()));
    for (std::size_t k = 0; k < values; ++k)
      batch.images[static_cast<std::size_t>(i) * values + k] += static_cast<float>(random.uniform(0, 0.2));
  }
}

void apply(const Equality& test, int step, std::vector<Batch>& batches, const ProcessGroup& group) {
  for (std::size_t i = 0; i < batches.size(); ++i)
    add_noise(batches[i], static_cast<std::uint64_t>(step) * batches.size() + i, group);
  if (!test.change) return;
  for (Batch& batch : batches) {
    for (std::size_t i = 0; i < batch.targets.size(); ++i)
      test.change(step, static_cast<std::int64_t>(i) * group.size() + group.rank(), batch.targets[i]);
  }
}

Settings settings_of(const Equality& test, const std::filesystem::path& folder) {
  Settings settings = test::make_micro_run(folder, {.noise = test.noisy_files});
  if (test.model_change.empty()) return settings;
  std::string text = read_text_file(folder / "micro.yaml");
  const std::string usual = "denoising: 10";
  text.replace(text.find(usual), usual.size(), test.model_change);
  test::write_file(folder / "micro.yaml", text);
  return settings;
}

/// One rank of several, beside rank 0 of which the same run goes on in one process.
class RankBesideWhole {
 public:
  RankBesideWhole(const Equality& test, const Settings& settings, ProcessGroup& group, std::barrier<>& meeting,
                  TensorMap& shared)
      : test_(test),
        group_(group),
        own_(settings, test.batch, test.augment, group),
        meeting_(meeting),
        shared_(shared) {
    if (group.is_main()) whole_ = std::make_unique<Half>(settings, test.batch, test.augment, world_of_one());
  }
  void run() {
    for (int step = 0; step < test_.steps; ++step) {
      if (whole_ && (step == 0 || !test_.free_running)) shared_ = whole_->copy_of_state();
      meeting_.arrive_and_wait();
      if (step == 0 || !test_.free_running) own_.state.restore(shared_, "the whole run");
      meeting_.arrive_and_wait();
      compare(step);
    }
  }

 private:
  void compare(int step) {
    const TensorMap before = own_.copy_of_state();
    const auto [report, after] = take(own_, group_, step);
    std::vector<double> steps;
    for (const auto& [name, tensor] : after) {
      if (name.starts_with("adamw.step.")) steps.push_back(tensor.item<double>());
    }
    if (!whole_) return;
    const auto [wanted, whole] = take(*whole_, world_of_one(), step);
    const std::string at = "step " + std::to_string(step) + ": ";
    check_close(relative(wanted.loss, report.loss), test_.tolerance, at + "the loss");
    check_close(relative(wanted.gradient_norm, report.gradient_norm), test_.tolerance, at + "the norm");
    for (std::size_t i = 0; i < wanted.terms.size(); ++i)
      check_close(std::abs(wanted.terms[i].second - report.terms[i].second), test_.tolerance * wanted.loss,
                  at + wanted.terms[i].first);
    if (test_.free_running) return check_close(state_difference(whole, after), test_.tolerance, at + "the state");
    check_close(largest_difference(gradients_between(before, whole), gradients_between(before, after)), test_.tolerance,
                at + "a gradient");
    for (const auto& [name, tensor] : whole) {
      if (name.starts_with("adamw.step.") || name.ends_with("num_batches_tracked"))
        RTDETR_CHECK(torch::equal(tensor, after.at(name)), at + name);
      if (name.ends_with("running_mean") || name.ends_with("running_var"))
        check_close(state_difference({{name, tensor}}, {{name, after.at(name)}}), test_.tolerance, at + name);
    }
  }
  std::pair<StepReport, TensorMap> take(Half& half, const ProcessGroup& group, int step) {
    std::vector<Batch> batches = half.batches(test_.accumulate);
    apply(test_, step, batches, group);
    StepReport report = half.step.run(batches, {.epoch = 0, .first_batch = step}, 1);
    RTDETR_CHECK(report.applied, "refused");
    return {std::move(report), half.copy_of_state()};
  }

  const Equality& test_;
  ProcessGroup& group_;
  Half own_;
  std::barrier<>& meeting_;
  TensorMap& shared_;
  std::unique_ptr<Half> whole_;
};

void expect_equal(const Equality& test) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const test::TemporaryFolder temp;
  const Settings settings = settings_of(test, temp.path());
  std::barrier<> meeting(test.ranks);
  TensorMap shared;
  const auto as_rank = [&](ProcessGroup& group) {
    RankBesideWhole rank(test, settings, group, meeting, shared);
    try {
      rank.run();
    } catch (...) {
      meeting.arrive_and_drop();
      throw;
    }
  };
  test.over_gloo ? test::run_world(test.ranks, as_rank) : test::ThreadWorld(test.ranks).run(as_rank);
  at::set_num_threads(threads);
}

/// The trainer itself in float64, from the checkpoint that is in the folder on, for `steps` steps or to the end of ten.
void train_on(const Settings& settings, const std::string& name, std::int64_t ranks, int steps) {
  test::ThreadWorld(ranks).run([&](ProcessGroup& group) {
    const RunFolder folder =
        open_together(group, [&] { return RunFolder(std::filesystem::path(settings.project) / name); });
    const auto checkpoint = load_run(folder);
    const Experiment experiment = Half::in_float64(prepare_experiment(settings));
    Trainer trainer(train_input(experiment), train_options(experiment), folder, group);
    int asks = 0;
    test::StopWhen stop([&] { return ++asks == steps; });
    trainer.observe(stop);
    if (checkpoint) trainer.resume(*checkpoint);
    trainer.fit();
  });
}

TensorMap last_state(const Settings& settings, const std::string& name) {
  return load_tensors(std::filesystem::path(settings.project) / name / "last.safetensors").tensors;
}

void use_running_statistics(const DetectionModel& model) {
  for (const auto& module : model->modules()) {
    if (module->named_buffers(/*recurse=*/false).contains("running_mean")) module->eval();
  }
}

/// Empties the pictures whose bit is set.
void empty(unsigned pattern, std::int64_t place, Batch::Image& image) {
  if ((pattern >> place & 1) == 0) return;
  image.labels.clear();
  image.boxes_cxcywh.clear();
}

}  // namespace

TEST_CASE("at each of 200 steps two ranks have the loss and the gradients of one process") {
  expect_equal({.steps = 200});
}

TEST_CASE("so have three and four ranks, and ranks that accumulate") {
  expect_equal({.ranks = 3, .batch = 6, .over_gloo = true});
  expect_equal({.ranks = 4, .batch = 4});
  expect_equal({.accumulate = 3});
}

TEST_CASE("so have ranks whose pictures are augmented and come in several sizes") {
  expect_equal({.steps = 24, .over_gloo = true, .augment = true});
}

TEST_CASE("left to themselves two ranks stay with one process for ten steps") {
  expect_equal({.free_running = true, .over_gloo = true, .tolerance = 1e-9});
}

TEST_CASE("for every pattern of pictures without boxes two ranks have what one process has") {
  const auto change = [](int step, std::int64_t place, Batch::Image& image) {
    empty(static_cast<unsigned>(step), place, image);
  };
  expect_equal({.batch = 8, .steps = 256, .change = change});
}

TEST_CASE(
    "so they have without a dummy group, where an empty batch leaves the embedding without a gradient, and under the "
    "loss that divides by matched pairs") {
  const std::vector<unsigned> patterns{0, 0x55, 0xaa, 0xff, 0, 0xfe, 0xff, 0x7f};
  const auto change = [&](int step, std::int64_t place, Batch::Image& image) {
    empty(patterns[static_cast<std::size_t>(step)], place, image);
  };
  for (const char* variant : {"denoising: 10, variant: v1", "denoising: 10, variant: ultralytics"})
    expect_equal({.batch = 8, .steps = 8, .model_change = variant, .change = change});
}

TEST_CASE("so have ranks of a model that refines distributions: joint pairs and means are of all pictures") {
  const char* const dfine = "denoising: 10, variant: dfine";
  expect_equal({.steps = 30, .model_change = dfine});
  expect_equal({.ranks = 3, .batch = 6, .steps = 6, .over_gloo = true, .model_change = dfine});
  expect_equal({.accumulate = 3, .steps = 6, .model_change = dfine});
  const auto change = [](int step, std::int64_t place, Batch::Image& image) {
    empty(static_cast<unsigned>(step), place, image);
  };
  expect_equal({.batch = 4, .steps = 16, .model_change = dfine, .change = change});
}

TEST_CASE("k batches of n pictures give the gradients of one batch of k n, those of distributions too") {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const char* const variant = GENERATE("v2", "dfine");
  CAPTURE(variant);
  const test::TemporaryFolder temp;
  const std::string change = "denoising: 0, variant: " + std::string(variant);
  const Settings settings = settings_of({.noisy_files = true, .model_change = change}, temp.path());
  Half whole(settings, 8, false, world_of_one()), parts(settings, 2, false, world_of_one());
  for (const DetectionModel& model : {whole.experiment.model, parts.experiment.model})
    use_running_statistics(model);  // a batch's own statistics are another function of the batch size
  for (int step = 0; step < 3; ++step) {
    CAPTURE(step);
    parts.state.restore(whole.copy_of_state(), "the whole batches' run");
    const TensorMap before = whole.copy_of_state();
    const StepReport wanted = whole.step.run(whole.batches(1), {.epoch = 0, .first_batch = step}, 1);
    const StepReport found = parts.step.run(parts.batches(4), {.epoch = 0, .first_batch = step}, 1);
    CHECK(relative(wanted.loss, found.loss) <= 1e-10);
    for (std::size_t i = 0; i < wanted.terms.size(); ++i) {
      CAPTURE(wanted.terms[i].first);
      CHECK(std::abs(wanted.terms[i].second - found.terms[i].second) <= 1e-10 * wanted.loss);
    }
    CHECK(largest_difference(gradients_between(before, whole.copy_of_state()),
                             gradients_between(before, parts.copy_of_state())) <= 1e-10);
  }
  at::set_num_threads(threads);
}

TEST_CASE("a run that goes on from its checkpoint with another number of processes is the same run") {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const test::TemporaryFolder temp;
  Settings settings = test::make_micro_run(temp.path(), {.pictures = 20, .noise = true});
  settings.epochs = 2;
  settings.val = false;
  constexpr int kHalf = 4, kToTheEnd = -1;
  train_on(settings, "one", 1, kToTheEnd);
  const TensorMap one = last_state(settings, "one");
  CHECK(one.at("run.steps").item<std::int64_t>() == 10);
  struct Row {
    const char* name;
    std::int64_t first, then;
    double tolerance;
  };
  for (const Row& row :
       {Row{"one-one", 1, 1, 0}, Row{"two-two", 2, 2, 1e-9}, Row{"two-one", 2, 1, 1e-9}, Row{"one-two", 1, 2, 1e-9}}) {
    CAPTURE(row.name);
    train_on(settings, row.name, row.first, kHalf);
    CHECK(last_state(settings, row.name).at("run.steps").item<std::int64_t>() == kHalf);
    train_on(settings, row.name, row.then, kToTheEnd);
    const double difference = state_difference(one, last_state(settings, row.name));
    CAPTURE(difference);
    CHECK(difference <= row.tolerance);
  }
  at::set_num_threads(threads);
}

}  // namespace rtdetr
