#include "train/config/options.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/choices.h"
#include "core/base/error.h"
#include "core/base/text.h"
#include "core/image/placement.h"

namespace rtdetr {
namespace {

/// A number of the loss under its key: of sets of queries, of cells, or of both.
struct CriterionNumber {
  const char* key;
  double Settings::*setting;
  double CriterionOptions::*option;
  double DenseOptions::*of_cells = nullptr;
};
constexpr CriterionNumber kCriterionNumbers[] = {
    {"loss_class", &Settings::loss_class, &CriterionOptions::loss_class, &DenseOptions::loss_class},
    {"loss_bbox", &Settings::loss_bbox, &CriterionOptions::loss_bbox, &DenseOptions::loss_bbox},
    {"loss_giou", &Settings::loss_giou, &CriterionOptions::loss_giou},
    {"cost_class", &Settings::cost_class, &CriterionOptions::cost_class},
    {"cost_bbox", &Settings::cost_bbox, &CriterionOptions::cost_bbox},
    {"cost_giou", &Settings::cost_giou, &CriterionOptions::cost_giou},
    {"cost_alpha", &Settings::cost_alpha, &CriterionOptions::cost_alpha},
    {"cost_gamma", &Settings::cost_gamma, &CriterionOptions::cost_gamma},
    {"vfl_alpha", &Settings::vfl_alpha, &CriterionOptions::vfl_alpha},
    {"vfl_gamma", &Settings::vfl_gamma, &CriterionOptions::vfl_gamma},
    {"focal_alpha", &Settings::focal_alpha, &CriterionOptions::focal_alpha},
    {"focal_gamma", &Settings::focal_gamma, &CriterionOptions::focal_gamma},
    {"mal_gamma", &Settings::mal_gamma, &CriterionOptions::mal_gamma},
    {"mal_alpha", &Settings::mal_alpha, &CriterionOptions::mal_alpha},
    {"iou_eps", &Settings::iou_eps, &CriterionOptions::iou_epsilon},
    {"loss_fgl", &Settings::loss_fgl, &CriterionOptions::loss_fgl},
    {"loss_ddf", &Settings::loss_ddf, &CriterionOptions::loss_ddf},
    {"loss_dfl", &Settings::loss_dfl, nullptr, &DenseOptions::loss_dfl}};

/// Where a criterion has it; nullptr for what a loss of sets has not.
template <typename Criterion>  // const or not
auto* place_of(const CriterionNumber& number, Criterion& criterion) {
  if (criterion.dense && number.of_cells) return &((*criterion.dense).*number.of_cells);
  return number.option ? &(criterion.*number.option) : nullptr;
}

double value_of(const CriterionNumber& number, const CriterionOptions& criterion) {
  const double* place = place_of(number, criterion);
  return place ? *place : 0;
}

CriterionOptions::Variant variant_of(const std::string& criterion) {
  return criterion == kCriterionOfModel ? CriterionOptions::Variant::kOfficial
                                        : chosen("criterion", criterion, kCriterionWords);
}

/// What was changed of the losses of sets is refused by a loss that is none.
/// @param set  what the criterion brings
void refuse_of_sets(const Settings& settings, const CriterionOptions& set) {
  const Settings usual;
  std::vector<std::pair<std::string, bool>> changed{{"class_loss", settings.class_loss != usual.class_loss},
                                                    {"box_weight", settings.box_weight != usual.box_weight},
                                                    {"box_pairs", settings.box_pairs != usual.box_pairs},
                                                    {"overlap_costs_from", settings.overlap_costs_from != 0},
                                                    {"share_matches", settings.share_matches},
                                                    {"one_to_many", settings.one_to_many > 1}};
  for (const CriterionNumber& number : kCriterionNumbers) {
    const double value = settings.*number.setting;
    changed.emplace_back(number.key,
                         !number.of_cells && value != usual.*number.setting && value != value_of(number, set));
  }
  for (const auto& [key, is_changed] : changed) {
    if (is_changed && settings.is_given(key))
      throw ConfigError(key + settings.origin_of(key) + ": criterion=" + settings.criterion +
                        " learns at every cell and matches no queries, so it has no such number; leave " + key +
                        " away (its own are loss_class, loss_bbox and loss_dfl)");
  }
}

/// What only D-FINE's criterion has, and what it alone has not.
/// @param settings  with the weights that the criterion brings
void refuse_of_other_criteria(const Settings& settings) {
  const bool is_dfine = variant_of(settings.criterion) == CriterionOptions::Variant::kDfine;
  if (is_dfine && settings.one_to_many > 1)
    throw ConfigError("one_to_many=" + std::to_string(settings.one_to_many) + settings.origin_of("one_to_many") +
                      ": in criterion=dfine every output set learns from the pairs of all, the encoder's too, so that "
                      "these cannot have more alone; set one_to_many=0");
  if (!is_dfine && settings.box_pairs == "joint")
    throw ConfigError("box_pairs=joint" + settings.origin_of("box_pairs") + ": criterion=" + settings.criterion +
                      " has no joint pairs, only criterion=dfine");
  if (settings.box_pairs == "own" && (settings.loss_fgl != 0 || settings.loss_ddf != 0))
    throw ConfigError(
        "box_pairs=own" + settings.origin_of("box_pairs") +
        ": losses of distributions learn from the joint pairs; set loss_fgl=0 loss_ddf=0 as DEIMv2's tiny "
        "sizes do, or leave box_pairs away");
  const bool is_dense = variant_of(settings.criterion) == CriterionOptions::Variant::kYolov8;
  if (!is_dense && settings.loss_dfl != 0)
    throw ConfigError("loss_dfl=" + format_short(settings.loss_dfl) + settings.origin_of("loss_dfl") +
                      ": a loss that criterion=" + settings.criterion +
                      " has not, only criterion=yolov8; leave loss_dfl away or set it to 0");
  for (const CriterionNumber& number : kCriterionNumbers) {
    const bool of_distributions =
        number.option == &CriterionOptions::loss_fgl || number.option == &CriterionOptions::loss_ddf;
    if (is_dfine || !of_distributions || settings.*number.setting == 0) continue;
    throw ConfigError(std::string(number.key) + "=" + format_short(settings.*number.setting) +
                      settings.origin_of(number.key) +
                      ": a loss of distributions, which criterion=" + settings.criterion +
                      " has not, only criterion=dfine; leave " + number.key + " away or set it to 0");
  }
}

}  // namespace

CriterionOptions published_criterion(const std::string& word) {
  switch (variant_of(word)) {
    case CriterionOptions::Variant::kUltralytics:
      return CriterionOptions::ultralytics();
    case CriterionOptions::Variant::kDfine:
      return CriterionOptions::dfine();
    case CriterionOptions::Variant::kYolov8:
      return CriterionOptions::yolov8();
    case CriterionOptions::Variant::kDino:
      return CriterionOptions::dino();
    case CriterionOptions::Variant::kOfficial:
      break;
  }
  return {};
}

BuildOptions build_options(const Settings& settings, std::int64_t num_classes) {
  BuildOptions options;
  options.num_classes = num_classes;
  if (settings.num_queries > 0) options.num_queries = settings.num_queries;
  if (settings.decoder_layers > 0) options.decoder_layers = settings.decoder_layers;
  options.seed = static_cast<std::uint64_t>(settings.seed);
  return options;
}

void settle_criterion(const std::vector<std::string>& of_head, Settings& settings) {
  if (settings.criterion == kCriterionOfModel) settings.criterion = of_head.front();
  if (std::find(of_head.begin(), of_head.end(), settings.criterion) == of_head.end())
    throw ConfigError("criterion=" + settings.criterion + settings.origin_of("criterion") +
                      ": it does not train this model's head; criterion=" + join(of_head, " or ") + " does");
  const CriterionOptions set = published_criterion(settings.criterion);
  if (set.dense) refuse_of_sets(settings, set);
  for (const CriterionNumber& number : kCriterionNumbers) {
    if (settings.is_given(number.key) || settings.*number.setting == value_of(number, set)) continue;
    settings.*number.setting = value_of(number, set);
    settings.given[number.key] = "criterion=" + settings.criterion;
  }
  const std::string class_loss = word_of(set.class_loss, kClassLossWords);
  if (!settings.is_given("class_loss") && settings.class_loss != class_loss) {
    settings.class_loss = class_loss;
    settings.given["class_loss"] = "criterion=" + settings.criterion;
  }
  refuse_of_other_criteria(settings);
}

CriterionOptions criterion_options(const Settings& settings) {
  CriterionOptions criterion = published_criterion(settings.criterion);
  for (const CriterionNumber& number : kCriterionNumbers)
    if (double* place = place_of(number, criterion)) *place = settings.*number.setting;
  criterion.class_loss = chosen("class_loss", settings.class_loss, kClassLossWords);
  if (criterion.class_loss == ClassLoss::kBce &&
      variant_of(settings.criterion) == CriterionOptions::Variant::kUltralytics)
    criterion.class_loss = ClassLoss::kSoftBce;
  criterion.box_weight = chosen("box_weight", settings.box_weight, kBoxWeightWords);
  if (settings.box_pairs == "own") criterion.joint_pairs = false;
  criterion.overlap_costs_from = settings.overlap_costs_from;
  criterion.share_matches = settings.share_matches;
  criterion.one_to_many = std::max<std::int64_t>(1, settings.one_to_many);
  return criterion;
}

void settle_nominal_batch(Settings& settings) {
  if (settings.nbs == 0 || settings.is_given("accumulate")) return;
  const double batches = static_cast<double>(settings.nbs) / static_cast<double>(settings.batch);
  settings.accumulate = std::max<std::int64_t>(1, std::llround(batches));
  if (settings.accumulate > 1) settings.given["accumulate"] = "nbs=" + std::to_string(settings.nbs);
}

double weight_decay_of_step(const Settings& settings) {
  if (settings.nbs == 0) return settings.weight_decay;
  return settings.weight_decay * static_cast<double>(settings.batch * settings.accumulate) /
         static_cast<double>(settings.nbs);
}

OptimizerOptions optimizer_options(const Settings& settings) {
  return {.kind = chosen("optimizer", settings.optimizer, kOptimizerWords),
          .adamw = {.beta1 = settings.beta1, .beta2 = settings.beta2},
          .sgd = {.momentum = settings.momentum, .warmup_momentum = settings.warmup_momentum},
          .muon = {.momentum = settings.momentum}};
}

EmaOptions ema_options(const Settings& settings) { return {.decay = settings.ema_decay, .ramp = settings.ema_ramp}; }

LrSchedule lr_schedule(const Settings& settings) {
  return {.shape = chosen("schedule", settings.schedule, kScheduleWords),
          .final_factor = settings.lrf,
          .hold = settings.hold,
          .milestones = settings.milestones,
          .gamma = settings.gamma,
          .flat_until = settings.flat_until,
          .tail_from = settings.tail_from,
          .warmup_steps = settings.warmup_steps,
          .warmup = chosen("warmup", settings.warmup, kWarmupWords)};
}

LoaderOptions loader_options(const Settings& settings) {
  LoaderOptions loader;
  loader.batch_size = settings.batch;
  loader.threads = static_cast<int>(settings.workers);
  loader.prefetch = static_cast<int>(settings.prefetch);
  loader.seed = static_cast<std::uint64_t>(settings.seed);
  loader.max_bad = settings.max_bad;
  loader.cache_mib = settings.cache_mib;
  return loader;
}

TransformOptions training_transforms(const Settings& settings, const ImageSize& size, std::int64_t stride) {
  TransformOptions transforms;
  transforms.height = size.height;
  transforms.width = size.width;
  transforms.stride = stride;
  transforms.resampling = chosen("resample", settings.resample, kResamplingWords);
  transforms.fit = chosen("fit", settings.fit, kFitWords);
  transforms.photometric = settings.photometric;
  transforms.zoom_out = settings.zoom_out;
  transforms.zoom_out_max = settings.zoom_out_max;
  transforms.iou_crop = settings.iou_crop;
  transforms.flip = settings.flip;
  transforms.flip_vertical = settings.flip_vertical;
  transforms.rotate90 = settings.rotate90;
  transforms.min_box = settings.min_box;
  transforms.mosaic = settings.mosaic;
  transforms.mosaic_scale = settings.mosaic_scale;
  transforms.mosaic_translate = settings.mosaic_translate;
  transforms.affine = settings.affine;
  transforms.hsv_h = settings.hsv_h;
  transforms.hsv_s = settings.hsv_s;
  transforms.hsv_v = settings.hsv_v;
  transforms.mosaic_kind = chosen("mosaic_kind", settings.mosaic_kind, kBlendKindWords);
  transforms.mixup = settings.mixup;
  transforms.copy_blend = settings.copy_blend;
  transforms.mixup_kind = chosen("mixup_kind", settings.mixup_kind, kBlendKindWords);
  transforms.multi_scale =
      multi_scale_sides(std::max(size.height, size.width), settings.multi_scale, stride, settings.multi_scale_repeat);
  transforms.multi_scale_nearest = settings.multi_scale_nearest;
  return transforms;
}

}  // namespace rtdetr
