#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/base/random.h"
#include "data/loader/float_pool.h"
#include "models/graph/model_files.h"
#include "models/layers/module_tree.h"
#include "train/evaluation/batch_mover.h"
#include "train/loop/train_step.h"
#include "train/optim/adamw.h"
#include "train/optim/param_groups.h"

/// What the programs about a training step share: a batch, and a model with its optimizer and average.
namespace rtdetr::bench {

/// Synthetic pictures with 4, 11, 7, 6, 4, … boxes, as train_bench.py has, in memory as the loader has it for the
/// device.
inline Batch make_batch(std::int64_t size, std::int64_t side, torch::Device device) {
  constexpr std::array<int, 4> kBoxes{4, 11, 7, 6};
  Random random(3, RandomPurpose::kAugmentation, 0, 0);
  Batch batch{.size = size, .height = side, .width = side};
  batch.images = FloatPool(1, batch_memory(device)).take(static_cast<std::size_t>(size * 3 * side * side));
  for (std::size_t i = 0; i < batch.images.size(); ++i) batch.images.data()[i] = static_cast<float>(random.uniform());
  for (std::int64_t i = 0; i < size; ++i) {
    Batch::Image& image = batch.targets.emplace_back();
    for (int box = 0; box < kBoxes[static_cast<std::size_t>(i % 4)]; ++box) {
      image.labels.push_back(static_cast<std::int64_t>(random.below(80)));
      const double w = random.uniform() * 0.35 + 0.03, h = random.uniform() * 0.35 + 0.03;
      const double x = w / 2 + random.uniform() * (1 - w), y = h / 2 + random.uniform() * (1 - h);
      for (const double value : {x, y, w, h}) image.boxes_cxcywh.push_back(static_cast<float>(value));
    }
  }
  return batch;
}

/// A model with its optimizer and average, as a run has them.
struct StepBench {
  DetectionModel model, average;
  AdamW optimizer;
  Ema ema;
  TrainStep step;

  /// @param move  brings a model to the options' device, if it takes more than LibTorch's way
  StepBench(const std::string& yaml, const StepOptions& options,
            const std::function<void(torch::nn::Module&)>& move = {})
      : model(build(yaml, options.device, move)),
        average(build(yaml, options.device, move)),
        optimizer(group_by_shape(trainable_parameters(*model), {})),
        ema(*model, *average),
        step(model, optimizer, ema, options) {
    model->train();
  }

 private:
  static DetectionModel build(const std::string& yaml, torch::Device device,
                              const std::function<void(torch::nn::Module&)>& move) {
    DetectionModel model = build_model(load_model_spec(yaml));
    to_channels_last(*model);
    move ? move(*model) : model->to(device);
    return model;
  }
};

}  // namespace rtdetr::bench
