#include "train/commands/detection_options.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <torch/types.h>

#include "core/base/choices.h"
#include "core/base/error.h"
#include "core/base/text.h"
#include "core/image/placement.h"
#include "core/image/resize.h"
#include "data/dataset/class_list.h"
#include "train/commands/model_source.h"
#include "train/process/machine.h"

namespace rtdetr {
namespace {

std::optional<std::int64_t> class_of(const std::string& word, const std::vector<std::string>& names) {
  const auto named = std::find(names.begin(), names.end(), word);
  if (named != names.end()) return named - names.begin();
  const auto number = parse_integer(word);
  return number && *number >= 0 && *number < std::ssize(names) ? std::optional<std::int64_t>(*number) : std::nullopt;
}

}  // namespace

WantedPairs chosen_pairs(const Settings& settings, const std::vector<std::string>& names) {
  WantedPairs wanted{.one_class_per_query = settings.one_class_per_query};
  if (settings.classes.empty()) return wanted;
  std::vector<std::string> problems;
  for (const std::string& entry : split(settings.classes, ',')) {
    const std::string word(trim(entry));
    if (const auto label = class_of(word, names))
      wanted.classes.push_back(*label);
    else
      problems.push_back("classes=" + settings.classes + settings.origin_of("classes") + ": '" + word +
                         "' is no class of this model, nor a number from 0 to " + std::to_string(names.size() - 1) +
                         "; it has " + quoted_names(names) + did_you_mean(word, names));
  }
  if (!problems.empty()) throw ConfigError(join(problems, "\n"));
  std::ranges::sort(wanted.classes);
  wanted.classes.erase(std::ranges::unique(wanted.classes).begin(), wanted.classes.end());
  return wanted;
}

SuppressionChoice chosen_suppression(const Settings& settings, const Head& head) {
  for (const auto& [key, value] : {std::pair("iou", format_double(settings.iou)),
                                   std::pair("agnostic_nms", std::string(settings.agnostic_nms ? "true" : "false"))})
    if (settings.is_given(key) && !head.suppresses())
      throw ConfigError(std::string(key) + "=" + value + settings.origin_of(key) + ": " + kNoSuppression);
  SuppressionChoice choice;
  if (settings.is_given("iou")) choice.iou = settings.iou;
  if (settings.is_given("agnostic_nms")) choice.across_classes = settings.agnostic_nms;
  return choice;
}

void set_suppression(const Settings& settings, const Head& head, DetectorOptions& options) {
  const SuppressionChoice choice = chosen_suppression(settings, head);
  options.iou = choice.iou;
  options.agnostic_nms = choice.across_classes;
}

DetectorOptions detector_options(const Settings& settings, Precision precision) {
  DetectorOptions options;
  if (settings.is_given("conf")) options.min_score = static_cast<float>(settings.conf);
  if (settings.is_given("resample")) options.resampling = chosen("resample", settings.resample, kResamplingWords);
  if (settings.is_given("fit")) options.fit = chosen("fit", settings.fit, kFitWords);
  options.max_detections = static_cast<int>(settings.max_det);
  options.decoder_layers = static_cast<int>(settings.decoder_layers);
  options.height = static_cast<int>(settings.imgsz.height);
  options.width = static_cast<int>(settings.imgsz.width);
  options.device = compute_device(settings).str();
  options.precision = precision;
  options.engine = settings.engine == "auto";
  options.final_form = true;
  options.reduced_jpeg = settings.reduced_jpeg;
  return options;
}

Detector make_detector(const Settings& settings, LoadedModel loaded, DetectorOptions options) {
  const WantedPairs wanted = chosen_pairs(settings, loaded.info.names);
  options.classes.assign(wanted.classes.begin(), wanted.classes.end());
  options.one_class_per_query = wanted.one_class_per_query;
  set_suppression(settings, loaded.model->head(), options);
  return Detector(std::move(loaded), options);
}

TileOptions tile_options(const Settings& settings) {
  TileOptions options;
  options.side = static_cast<int>(settings.tile);
  options.overlap = settings.overlap;
  options.whole = settings.tile_whole;
  options.batch = static_cast<int>(settings.batch);
  options.max_detections = static_cast<int>(settings.max_det);
  return options;
}

std::vector<std::vector<Detection>> detect_pictures(const Settings& settings, const Detector& detector,
                                                    std::span<const RgbView> pictures, DetectionTimes& times) {
  if (settings.tile == 0) return detector.detect(pictures, &times);
  std::vector<std::vector<Detection>> found;
  for (const RgbView& picture : pictures) {
    DetectionTimes own;
    found.push_back(detect_tiled(detector, picture, tile_options(settings), &own));
    times += own;
  }
  return found;
}

}  // namespace rtdetr
