#include "train/loop/train_step.h"

#include <array>
#include <atomic>
#include <cmath>
#include <limits>

#include <ATen/Parallel.h>
#include <ATen/record_function.h>
#include <torch/types.h>
#include <catch2/catch.hpp>

#include "core/io/file.h"
#include "data/loader/loader.h"
#include "tests/support/micro_run.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thread_world.h"
#include "train/loop/epoch_losses.h"
#include "train/loop/experiment.h"
#include "train/loop/train_state.h"

namespace rtdetr {

using test::make_micro_run;
using test::TemporaryFolder;

namespace {

/// With the official loss, whose sums are divided by the boxes of the whole step.
TrainOptions options_on(const Experiment& experiment, torch::Device device, Precision precision, bool joint_pairs) {
  TrainOptions options = train_options(experiment);
  options.step.precision = precision;
  options.step.device = device;
  options.step.criterion = {};
  options.step.criterion.overlap_costs_from = experiment.settings.overlap_costs_from;
  options.step.criterion.joint_pairs = joint_pairs;
  return options;
}

/// Everything a step touches, over a micro experiment.
struct Bench {
  Experiment experiment;
  TrainState train;
  TrainStep& step = train.step;
  StateRegistry& state = train.registry;

  explicit Bench(const Settings& settings, torch::Device device = torch::kCPU, ProcessGroup& group = world_of_one(),
                 Precision precision = Precision::kFloat32, bool joint_pairs = false)
      : experiment(prepare_experiment(settings)),
        train(train_input(experiment), options_on(experiment, device, precision, joint_pairs), group) {}
  Bench(const Settings& settings, Precision precision) : Bench(settings, torch::kCPU, world_of_one(), precision) {}
  TensorMap copy_of_state() const {
    TensorMap copy;
    for (const auto& [name, tensor] : state.capture()) copy.emplace(name, tensor.clone());
    return copy;
  }
  void set_loss_scale(double factor) {
    TensorMap changed = copy_of_state();
    changed.at("loss_scale.factor").fill_(factor);
    state.restore(changed, "test");
  }
  std::vector<Batch> batches(std::int64_t size, int count) {
    LoaderOptions options = training_loader_options(experiment);
    options.batch_size = size;
    TransformOptions transforms = training_transforms(experiment);
    transforms.augment = false;
    Loader loader(experiment.train, transforms, options);
    loader.start(0);
    std::vector<Batch> list;
    for (int i = 0; i < count; ++i) list.push_back(*loader.next());
    return list;
  }
};

void use_running_statistics(DetectionModel& model) {
  for (const auto& module : model->modules()) {
    if (module->named_buffers(/*recurse=*/false).contains("running_mean")) module->eval();
  }
}

/// Counts, while it lives, the operators that make the host wait for a device's numbers. The CPU's fused AdamW, which
/// looks up its counters, stands for one that waits for nothing.
class HostReads {
 public:
  HostReads()
      : handle_(at::addGlobalCallback(at::RecordFunctionCallback(&enter, &leave).scopes({at::RecordScope::FUNCTION}))) {
    count_ = 0;
  }
  ~HostReads() { at::removeCallback(handle_); }
  HostReads(const HostReads&) = delete;
  HostReads& operator=(const HostReads&) = delete;
  int count() const { return count_; }

 private:
  static bool is_optimizer(const at::RecordFunction& function) {
    return std::string(function.name()) == "aten::_fused_adamw_";
  }
  static std::unique_ptr<at::ObserverContext> enter(const at::RecordFunction& function) {
    const std::string name = function.name();
    const bool waits = name == "aten::_local_scalar_dense" || name == "aten::nonzero" || name == "aten::masked_select";
    if (waits && !in_optimizer_) ++count_;
    if (is_optimizer(function)) in_optimizer_ = true;
    return nullptr;
  }
  static void leave(const at::RecordFunction& function, at::ObserverContext*) {
    if (is_optimizer(function)) in_optimizer_ = false;
  }

  inline static std::atomic<int> count_{0};
  inline static std::atomic<bool> in_optimizer_{false};
  at::CallbackHandle handle_;
};

}  // namespace

TEST_CASE("a step changes weights, moments and average") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Bench bench(make_micro_run(temp.path()));
  const TensorMap before = bench.copy_of_state();
  const StepReport report = bench.step.run(bench.batches(4, 1), {}, 1);
  CHECK(report.applied);
  CHECK(report.loss > 0);
  double sum = 0;
  for (const auto& [name, value] : report.terms) sum += value;
  CHECK(sum == Approx(report.loss).epsilon(1e-5));
  for (const auto& [name, tensor] : bench.state.capture()) {
    if (name.starts_with("adamw.step.")) CHECK(tensor.item<float>() == 1);
  }
  CHECK_FALSE(torch::equal(bench.state.capture().at("ema.model.0.conv.weight"), before.at("ema.model.0.conv.weight")));
}

TEST_CASE("a run's costs become those of overlap in the epoch that its options say") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path());
  const auto loss_in = [&settings](std::int64_t epoch, std::int64_t from) {
    settings.overlap_costs_from = from;
    Bench bench(settings);
    StepPosition position;
    position.epoch = epoch;
    return bench.step.run(bench.batches(4, 1), position, 1).loss;
  };
  CHECK(loss_in(1, 2) == loss_in(1, 0));
  CHECK(loss_in(2, 2) == loss_in(2, 1));
  CHECK(loss_in(2, 2) != loss_in(2, 0));
}

TEST_CASE("a number that is not finite in a pixel, a label, a weight or a gradient changes nothing") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Bench bench(make_micro_run(temp.path()));
  const TensorMap before = bench.copy_of_state();
  const auto refused = [&](const std::vector<Batch>& batches) {
    CHECK_FALSE(bench.step.run(batches, {}, 1).applied);
    for (const auto& [name, tensor] : bench.state.capture()) {
      INFO(name);
      CHECK(torch::equal(tensor, before.at(name)));
    }
  };
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const std::size_t at : {0, 1}) {
      std::vector<Batch> batches = bench.batches(4, 2);
      batches[at].images[100] = bad;
      refused(batches);
      batches = bench.batches(4, 2);
      batches[at].targets[0].boxes_cxcywh[2] = bad;
      refused(batches);
    }
    torch::Tensor weight = bench.experiment.model->parameters().front();
    const auto hook = weight.register_hook([bad](const torch::Tensor& gradient) { return gradient * bad; });
    refused(bench.batches(4, 1));
    weight.remove_hook(hook);
    torch::NoGradGuard no_grad;
    const torch::Tensor good = weight.clone();
    weight.data_ptr<float>()[0] = bad;
    {
      torch::AutoGradMode with_gradients(true);
      CHECK_FALSE(bench.step.run(bench.batches(4, 1), {}, 1).applied);
    }
    weight.copy_(good);
  }
  for (const auto& [name, tensor] : bench.state.capture()) CHECK(torch::equal(tensor, before.at(name)));
  CHECK(bench.step.run(bench.batches(4, 1), {}, 1).applied);
}

TEST_CASE("a refused step tells the numbers of its batches up to the first bad one") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Bench bench(make_micro_run(temp.path()));
  std::vector<Batch> batches = bench.batches(4, 3);
  const torch::Tensor weight = bench.experiment.model->parameters().front();
  const auto hook = weight.register_hook([](const torch::Tensor& gradient) { return gradient * INFINITY; });
  const StepReport first = bench.step.run(std::span(batches).first(1), {}, 1);
  CHECK(std::isfinite(first.loss));
  CHECK_FALSE(std::isfinite(first.gradient_norm));
  weight.remove_hook(hook);
  batches[1].images[100] = std::numeric_limits<float>::quiet_NaN();
  const StepReport report = bench.step.run(batches, {}, 1);
  CHECK(std::isnan(report.loss));
  CHECK(std::isnan(report.gradient_norm));
  CHECK(report.terms.size() == first.terms.size());
  batches[0].images[100] = std::numeric_limits<float>::infinity();
  CHECK_FALSE(bench.step.run(batches, {}, 1).applied);
}

TEST_CASE("a step waits for no number of the model, its losses, backward pass or optimizer") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  const auto precision = GENERATE(Precision::kFloat32, Precision::kFloat16);
  Bench bench(make_micro_run(temp.path()), precision);
  if (precision == Precision::kFloat16) bench.set_loss_scale(1024);
  const std::vector<Batch> batches = bench.batches(4, 2);
  const HostReads reads;
  CHECK(bench.step.run(batches, {}, 1).applied);
  CHECK(reads.count() == 0);  // the matching's costs and the report are copied as wholes
  torch::ones({}).item<float>();
  CHECK(reads.count() == 1);
}

/// Takes a step of two processes over `batches`, one each.
std::array<StepReport, 2> step_of_two(const Settings& settings, const std::array<Batch, 2>& batches, TensorMap* after) {
  std::array<StepReport, 2> reports;
  test::ThreadWorld(2).run([&](ProcessGroup& group) {
    at::set_num_threads(1);
    const auto rank = static_cast<std::size_t>(group.rank());
    Bench bench(settings, torch::kCPU, group);
    reports[rank] = bench.step.run(std::span(&batches[rank], 1), {}, 1);
    after[rank] = bench.copy_of_state();
  });
  return reports;
}

TEST_CASE("two processes divide by the boxes of both, and refuse a step together") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path(), {.denoising = false});
  Bench alone(settings);
  const TensorMap before = alone.copy_of_state();
  const std::vector<Batch> first = alone.batches(4, 1);
  std::array<Batch, 2> batches{std::move(alone.batches(4, 1)[0]), std::move(alone.batches(4, 1)[0])};
  std::array<TensorMap, 2> after;
  const auto same = step_of_two(settings, batches, after.data());
  const StepReport want = alone.step.run(first, {}, 1);
  for (const StepReport& report : same) {
    CHECK(report.applied);
    CHECK(report.loss == Approx(want.loss));  // as many boxes each, so half of all is what one has
    CHECK(report.gradient_norm == Approx(want.gradient_norm));
  }

  batches[1] = std::move(alone.batches(4, 2)[1]);
  batches[1].targets[0].boxes_cxcywh.resize(4 * 9, 0.25F);  // more boxes on one than on the other
  batches[1].targets[0].labels.resize(9, 0);
  const auto applied = step_of_two(settings, batches, after.data());
  CHECK(applied[0].loss == applied[1].loss);
  CHECK(applied[0].gradient_norm == applied[1].gradient_norm);
  for (const auto& [name, tensor] : after[0]) {
    INFO(name);
    CHECK(torch::equal(tensor, after[1].at(name)));  // the statistics of BatchNorm, too
  }

  batches[1].images[100] = std::numeric_limits<float>::quiet_NaN();
  const auto refused = step_of_two(settings, batches, after.data());
  for (std::size_t rank : {0, 1}) {
    CHECK_FALSE(refused[rank].applied);
    for (const auto& [name, tensor] : after[rank]) CHECK(torch::equal(tensor, before.at(name)));
  }
}

TEST_CASE("a step in a half type has the loss and the gradients of one in float32, to that type's precision") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const auto [precision, tolerance] =
      GENERATE(table<Precision, double>({{Precision::kFloat16, 0.005}, {Precision::kBFloat16, 0.04}}));
  Bench whole(settings), half(settings, precision);
  if (precision == Precision::kFloat16) half.set_loss_scale(1024);
  const StepReport wanted = whole.step.run(whole.batches(4, 2), {}, 1),
                   found = half.step.run(half.batches(4, 2), {}, 1);
  CHECK(found.applied);
  CHECK(found.loss == Approx(wanted.loss).epsilon(tolerance));
  CHECK(found.gradient_norm == Approx(wanted.gradient_norm).epsilon(10 * tolerance));
  CHECK(found.loss_scale.has_value() == (precision == Precision::kFloat16));
  for (std::size_t i = 0; i < wanted.terms.size(); ++i) CHECK(found.terms[i].first == wanted.terms[i].first);
}

TEST_CASE("gradients beyond float16 halve the loss' factor and change nothing else; a lower factor is enough") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Bench bench(make_micro_run(temp.path()), Precision::kFloat16);
  const TensorMap before = bench.copy_of_state();
  bench.set_loss_scale(1e30);
  const StepReport report = bench.step.run(bench.batches(4, 2), {}, 1);
  CHECK_FALSE(report.applied);
  CHECK(report.overflowed());
  CHECK(report.loss_scale == Approx(5e29));
  CHECK_THAT(describe_refused(report, 1, {}, {}), Catch::Contains("gradients beyond fp16; the loss is multiplied by"));
  for (const auto& [name, tensor] : bench.state.capture()) {
    INFO(name);
    if (name != "loss_scale.factor") CHECK(torch::equal(tensor, before.at(name)));
  }
  bench.set_loss_scale(1024);
  CHECK(bench.step.run(bench.batches(4, 2), {}, 1).applied);

  std::vector<Batch> batches = bench.batches(4, 1);
  batches[0].images[100] = std::numeric_limits<float>::quiet_NaN();
  CHECK_FALSE(bench.step.run(batches, {}, 1).overflowed());  // not the factor's fault
}

TEST_CASE("of two processes one's gradients leave float16: both halve the factor, neither steps") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  std::array<StepReport, 2> first, second;
  std::array<TensorMap, 2> after;
  test::ThreadWorld(2).run([&](ProcessGroup& group) {
    at::set_num_threads(1);
    const auto rank = static_cast<std::size_t>(group.rank());
    Bench bench(settings, torch::kCPU, group, Precision::kFloat16);
    bench.set_loss_scale(1024);
    const std::vector<Batch> batches = bench.batches(4, 1);
    const torch::Tensor weight = bench.experiment.model->parameters().front();
    const auto hook = weight.register_hook(
        [&](const torch::Tensor& gradient) { return group.is_main() ? gradient : gradient * INFINITY; });
    first[rank] = bench.step.run(batches, {}, 1);
    weight.remove_hook(hook);
    second[rank] = bench.step.run(batches, {}, 1);
    after[rank] = bench.copy_of_state();
  });
  for (const std::size_t rank : {0, 1}) {
    CHECK(first[rank].overflowed());
    CHECK(first[rank].loss_scale == 512);
    CHECK(second[rank].applied);
    CHECK(second[rank].gradient_norm == second[0].gradient_norm);
    for (const auto& [name, tensor] : after[rank]) CHECK(torch::equal(tensor, after[0].at(name)));
  }
}

TEST_CASE("a model that does not lie on the step's device is refused") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  CHECK_THROWS_AS(Bench(settings, torch::kMeta), InternalError);
  CHECK_THROWS_WITH(Bench(settings, torch::kMeta),
                    Catch::Contains("the step's device is meta") && Catch::Contains("lies on cpu"));
}

TEST_CASE("k batches of n pictures give the gradient of one batch of k n") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path(), {.denoising = false});
  Bench whole(settings), parts(settings);
  use_running_statistics(whole.experiment.model);  // a batch's own statistics are another function of the batch size
  use_running_statistics(parts.experiment.model);
  const StepReport a = whole.step.run(whole.batches(8, 1), {}, 1);
  const StepReport b = parts.step.run(parts.batches(2, 4), {}, 1);
  CHECK(a.loss == Approx(b.loss).epsilon(1e-5));
  CHECK(a.gradient_norm == Approx(b.gradient_norm).epsilon(1e-4));
}

TEST_CASE("the pass that counts the joint pairs of accumulated batches leaves no trace in BatchNorm's statistics") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const auto statistics_after = [&](bool joint_pairs) {
    Bench bench(settings, torch::kCPU, world_of_one(), Precision::kFloat32, joint_pairs);
    CHECK(bench.step.run(bench.batches(2, 3), {}, 1).applied);
    TensorMap statistics;
    for (const auto& buffer : bench.experiment.model->named_buffers())
      statistics.emplace(buffer.key(), buffer.value().clone());
    return statistics;
  };
  const TensorMap own = statistics_after(false), joint = statistics_after(true);
  bool counted = false;
  for (const auto& [name, tensor] : own) {
    INFO(name);
    CHECK(torch::equal(tensor, joint.at(name)));
    counted = counted || (name.ends_with("num_batches_tracked") && tensor.item<std::int64_t>() == 3);
  }
  CHECK(counted);
}

TEST_CASE("a batch without any box is an ordinary step") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  Bench bench(make_micro_run(temp.path()));
  std::vector<Batch> batches = bench.batches(4, 1);
  const StepReport full = bench.step.run(batches, {}, 1);
  for (Batch::Image& image : batches[0].targets) {
    image.labels.clear();
    image.boxes_cxcywh.clear();
  }
  const StepReport empty = bench.step.run(batches, {}, 1);
  CHECK(empty.applied);
  REQUIRE(empty.terms.size() == full.terms.size());
  for (std::size_t i = 0; i < full.terms.size(); ++i) CHECK(empty.terms[i].first == full.terms[i].first);
}

TEST_CASE("accumulated batches of which one has no boxes and fewer terms tell each term's own sum") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  std::string yaml = read_text_file(settings.model);
  yaml.insert(yaml.find("dim: 32"), "empty_batch: none, ");
  write_text_atomically(settings.model, yaml);
  const auto terms_of = [&](bool first_is_empty, bool second_is_empty) {
    Bench bench(settings);
    std::vector<Batch> batches = bench.batches(2, 2);
    for (const auto& [batch, is_empty] : {std::pair{0, first_is_empty}, {1, second_is_empty}}) {
      for (Batch::Image& image : batches[static_cast<std::size_t>(batch)].targets) {
        if (!is_empty) continue;
        image.labels.clear();
        image.boxes_cxcywh.clear();
      }
    }
    const StepReport report = bench.step.run(batches, {}, 1);
    CHECK(report.applied);
    double sum = 0;
    for (const auto& [name, value] : report.terms) sum += value;
    CHECK(report.loss == Approx(sum).epsilon(1e-5));
    CHECK(report.gradient_norm > 0);
    return report.terms.size();
  };
  const std::size_t all = terms_of(false, false), without = terms_of(true, true);
  CHECK(without < all);
  CHECK(terms_of(true, false) == all);
  CHECK(terms_of(false, true) == all);
}

TEST_CASE("an epoch whose first step has fewer terms records those of the others by their names") {
  EpochLosses losses;
  losses.add({.loss = 1, .terms = {{"a", 1}}});
  losses.add({.loss = 5, .terms = {{"b", 3}, {"a", 2}}});
  const std::vector<std::pair<std::string, double>> means{{"loss", 3}, {"a", 1.5}, {"b", 1.5}};
  CHECK(losses.means() == means);
  StepReport deep;
  for (int i = 0; i < 300; ++i) deep.terms.emplace_back("term" + std::to_string(i), 0.0);
  CHECK_THROWS_AS(losses.add(deep), ConfigError);
}

TEST_CASE("the same position draws the same noise, another position another") {
  at::set_num_threads(1);
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const auto loss_at = [&](const StepPosition& position) {
    Bench bench(settings);
    return bench.step.run(bench.batches(4, 1), position, 1).loss;
  };
  CHECK(loss_at({.epoch = 1, .first_batch = 2}) == loss_at({.epoch = 1, .first_batch = 2}));
  CHECK(loss_at({.epoch = 1, .first_batch = 2}) != loss_at({.epoch = 1, .first_batch = 3}));
  CHECK(loss_at({.epoch = 1, .first_batch = 2}) != loss_at({.epoch = 2, .first_batch = 2}));
}

}  // namespace rtdetr
