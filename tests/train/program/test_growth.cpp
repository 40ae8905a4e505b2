
#include <ATen/Parallel.h>
#include <cmath>

#include <catch2/catch.hpp>

#include "core/base/log.h"
#include "tests/support/micro_run.h"
#include "tests/support/stop_when.h"
#include "tests/support/temporary_folder.h"
#include "train/loop/experiment.h"
#include "train/loop/trainer.h"
#include "train/process/allocator.h"
#include "train/report/progress.h"

/// A run of 5,000 micro steps needs no more memory, descriptors or threads at its end than at its beginning.
namespace rtdetr {

using test::make_micro_run;
using test::TemporaryFolder;

namespace {

struct Moment {
  double step = 0, resident_kib = 0;
  int descriptors = 0, threads = 0;
};

int entries(const char* folder) {
  return static_cast<int>(
      std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
}

struct Line {
  double slope = 0;
  double upper = 0;  ///< of the slope's 95 % interval
};

/// Least squares of the resident size over the steps.
Line fit(const std::vector<Moment>& samples) {
  const auto n = static_cast<double>(samples.size());
  double x = 0, y = 0, xx = 0, xy = 0, residuals = 0;
  for (const Moment& s : samples) x += s.step / n, y += s.resident_kib / n;
  for (const Moment& s : samples) {
    xx += (s.step - x) * (s.step - x);
    xy += (s.step - x) * (s.resident_kib - y);
  }
  const double slope = xy / xx;
  for (const Moment& s : samples) residuals += std::pow(s.resident_kib - y - slope * (s.step - x), 2);
  return {slope, slope + 2 * std::sqrt(residuals / (n - 2) / xx)};
}

}  // namespace

TEST_CASE("memory, descriptors and threads stay flat over 5,000 micro steps") {
  at::set_num_threads(1);
  keep_freed_memory();
  log::set_level(log::Level::kWarning);
  const TemporaryFolder temp;
  Settings settings = make_micro_run(temp.path(), {.decoder_layers = 1});
  settings.batch = 1;  // 24 steps an epoch
  settings.epochs = 209;
  settings.val_every = 20;
  settings.save_steps = 250;
  settings.multi_scale = 0;
  Experiment experiment = prepare_experiment(settings);
  const RunFolder folder(temp / "runs/exp");
  std::vector<Moment> samples;
  std::int64_t asked = 0;
  Trainer trainer(train_input(experiment), train_options(experiment), folder);
  test::StopWhen sample([&] {
    if (++asked % 100 == 0) {
      samples.push_back(
          {static_cast<double>(asked), resident_mib() * 1024, entries("/proc/self/fd"), entries("/proc/self/task")});
    }
    return false;
  });
  trainer.observe(sample);
  const RunOutcome outcome = trainer.fit();
  CHECK(outcome.steps == 5016);

  std::vector<Moment> settled;
  for (const Moment& sample : samples) {
    if (sample.step > 1000) settled.push_back(sample);
  }
  REQUIRE(settled.size() >= 40);
  const Line line = fit(settled);
  WARN("resident size at step 1,100: " << settled.front().resident_kib / 1024 << " MiB, at the end "
                                       << settled.back().resident_kib / 1024 << " MiB; slope " << line.slope
                                       << " KiB a step, at most " << line.upper);
  CHECK(line.upper <= 0.5);
  for (const Moment& sample : settled) {
    CHECK(sample.descriptors == settled.front().descriptors);
    CHECK(std::abs(sample.threads - settled.front().threads) <= 1);
  }
}

}  // namespace rtdetr
