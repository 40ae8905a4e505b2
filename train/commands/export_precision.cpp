#include "train/commands/export_precision.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include <ATen/Parallel.h>
#include <torch/types.h>

#include "core/base/log.h"
#include "core/base/text.h"
#include "data/dataset/subset.h"
#include "train/commands/export_pictures.h"
#include "train/process/machine.h"
#include "train/process/stop_signal.h"
#include "train/report/work_progress.h"

namespace rtdetr {
namespace {

/// Pictures at a time: of one, progress is told soonest; a GPU wants more.
std::int64_t batch_for(const torch::Device& device) { return device.is_cpu() ? 1 : 16; }

Dataset evaluated_pictures(const Settings& settings, const ModelInfo& info) {
  DatasetConfig config = load_dataset_config(settings.verify);
  config.limits.max_pixels = settings.max_pixels;
  return load_evaluated(config, config.find("val") ? "val" : "train", {info.names, info.category_ids});
}

EvaluatorOptions options_for(const Settings& settings, const ModelInfo& info, const ImageSize& size) {
  EvaluatorOptions options;
  options.height = size.height;
  options.width = size.width;
  options.device = compute_device(settings);
  options.batch = batch_for(options.device);
  options.resampling = info.resampling;
  options.fit = info.fit;
  options.threads = std::max(1, at::get_num_threads());
  return options;
}

/// Nothing once a signal has come in.
std::optional<double> average_precision(OpenedModel& opened, const Dataset& dataset, EvaluatorOptions options,
                                        const std::string& what) {
  const WorkProgress progress(std::ssize(dataset.pictures), "AP " + what + ": ");
  options.progress = [&](std::int64_t done) { progress.show(done); };
  const auto evaluation = evaluate(opened.model, dataset, options, [] { return StopSignals::requested(); });
  log::end_progress();
  return evaluation ? std::optional(evaluation->detecting().metric.ap()) : std::nullopt;
}

}  // namespace

std::optional<ExportPrecision> export_precision(const Settings& settings, OpenedModel& original, const ImageSize& size,
                                                const Predictor& rounded, const std::string& type) {
  if (!is_data_set(settings.verify) || !original.is_checkpoint) return std::nullopt;
  Dataset dataset = evaluated_pictures(settings, original.info);
  ExportPrecision result;
  result.of = static_cast<std::int64_t>(dataset.pictures.size());
  dataset = spread_subset(std::move(dataset), static_cast<std::size_t>(settings.verify_pictures));
  result.pictures = static_cast<std::int64_t>(dataset.pictures.size());
  EvaluatorOptions options = options_for(settings, original.info, size);
  const std::optional<double> before = average_precision(original, dataset, options, "of the model");
  options.predictor = rounded;
  const std::optional<double> after =
      before ? average_precision(original, dataset, options, "in " + type) : std::nullopt;
  if (!after) {
    log::warning("stopped: the AP that " + type + " costs was not measured");
    return std::nullopt;
  }
  result.original = *before;
  result.rounded = *after;
  return result;
}

std::string text_of(const std::optional<ExportPrecision>& precision, const Settings& settings,
                    const std::string& type) {
  if (!precision)
    return is_data_set(settings.verify) ? "" : "what that costs in AP, verify= with a data set's YAML tells\n";
  const double less = precision->original - precision->rounded;
  std::string text = "AP on " + settings.verify;
  if (precision->pictures < precision->of)
    text += ", " + with_thousands(precision->pictures) + " of " + counted(precision->of, "picture");
  return text + ": " + fixed(precision->original, 4) + " before, " + fixed(precision->rounded, 4) + " in " + type +
         ", " + fixed(std::abs(less), 4) + (less < 0 ? " more\n" : " less\n");
}

nlohmann::ordered_json to_json(const ExportPrecision& precision) {
  return {{"original", precision.original}, {"rounded", precision.rounded}, {"pictures", precision.pictures}};
}

std::string text_of(const RoundingCost& cost, const std::string& type) {
  return "rounding to " + type + " moves scores by up to " + two_digits(cost.difference.max_abs_scores) +
         " and boxes by up to " + two_digits(cost.difference.max_abs_boxes) + " of the picture, a query by " +
         fixed(cost.mean(), 5) + " on average; " + with_thousands(cost.other_queries) + " of " +
         with_thousands(cost.queries) + " queries begin at other places of the picture\n";
}

nlohmann::ordered_json to_json(const RoundingCost& cost) {
  return {{"max_abs_diff_scores", cost.difference.max_abs_scores},
          {"max_abs_diff_boxes", cost.difference.max_abs_boxes},
          {"mean_diff", cost.mean()},
          {"queries", cost.queries},
          {"other_queries", cost.other_queries}};
}

}  // namespace rtdetr
