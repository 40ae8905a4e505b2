#include "train/commands/label_check.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <torch/types.h>

#include "core/base/error.h"
#include "core/base/log.h"
#include "data/dataset/dataset.h"
#include "models/layers/module_tree.h"
#include "train/commands/engine_predictor.h"
#include "train/commands/model_source.h"
#include "train/evaluation/evaluator.h"
#include "train/process/machine.h"
#include "train/report/work_progress.h"

namespace rtdetr {
namespace {

struct CheckedSplit {
  std::string key;
  Dataset dataset;
};

/// With the model's classes. What is wrong with them was told before; only errors are new.
std::vector<CheckedSplit> checked_splits(const Settings& settings, const ClassList& classes) {
  std::vector<CheckedSplit> splits;
  if (settings.data.empty()) {
    splits.push_back({"", inspect_coco(settings.annotations, settings.images, &classes)});
  } else {
    DatasetConfig config = inspect_dataset_config(settings.data);
    config.limits.max_pixels = settings.max_pixels;
    for (const DatasetConfig::Split& split : config.splits) {
      const bool wanted = settings.is_given("split") ? split.key == settings.split : split.is_on_disk();
      if (wanted) splits.push_back({split.key, inspect_dataset(config, split.key, &classes)});
    }
  }
  for (CheckedSplit& split : splits) {
    split.dataset.limits.max_pixels = settings.max_pixels;
    throw_if_errors(split.dataset.problems, split.dataset.name);
  }
  if (splits.empty())
    throw ConfigError("data=" + settings.data + " has no split '" + settings.split + "'" + settings.origin_of("split"));
  return splits;
}

}  // namespace

DoubtReport check_labels(const Settings& settings) {
  OpenedModel opened = open_model(settings);
  EvaluatorOptions options;
  const ImageSize size = resolve_image_size(settings, opened.size(), opened.model->stride(), opened.info.fit);
  options.height = size.height;
  options.width = size.width;
  options.batch = 8;
  options.device = compute_device(settings);
  options.resampling = opened.info.resampling;
  options.fit = opened.info.fit;
  options.workers = 2;
  options.threads = std::max(1, at::get_num_threads());
  options.predictor = engine_predictor(settings, opened.model, {}, size, Precision::kFloat32);
  to_channels_last(*opened.model);

  DoubtReport report(settings.is_given("conf") ? settings.conf : opened.info.best_confidence.value_or(0.5));
  for (CheckedSplit& split : checked_splits(settings, {opened.info.names, opened.info.category_ids})) {
    const WorkProgress progress(std::ssize(split.dataset.pictures),
                                "judging " + (split.key.empty() ? "labels" : split.key) + ": ");
    options.progress = [&](std::int64_t done) { progress.show(done); };
    const Evaluation evaluation = *evaluate(opened.model, split.dataset, options);
    log::end_progress();
    report.add(split.key, std::move(split.dataset), evaluation);
  }
  return report;
}

}  // namespace rtdetr
