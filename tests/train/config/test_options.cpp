#include "train/config/options.h"

#include <set>
#include <sstream>

#include <catch2/catch.hpp>

#include "core/base/choices.h"
#include "core/image/picture.h"
#include "data/tools/convert.h"
#include "models/deploy/detector.h"
#include "models/graph/model.h"
#include "models/graph/model_files.h"
#include "train/config/command_table.h"
#include "train/config/keys.h"
#include "train/loop/train_options.h"
#include "train/optim/precision.h"

namespace rtdetr {
namespace {

Settings defaults() {
  Settings settings;
  settings.command = Command::kTrain;
  return settings;
}

template <typename... Values>
std::string written(const Values&... values) {
  std::ostringstream text;
  ((text << values << ' '), ...);
  return text.str();
}

std::string text_of(const CriterionOptions& o) {
  return written(o.cost_class, o.cost_bbox, o.cost_giou, o.cost_alpha, o.cost_gamma, o.loss_class, o.loss_bbox,
                 o.loss_giou, static_cast<int>(o.class_loss), o.vfl_alpha, o.vfl_gamma, o.focal_alpha, o.focal_gamma,
                 o.mal_gamma, o.vfl_weight_gradient, o.focal_when_empty, o.iou_epsilon, static_cast<int>(o.box_weight),
                 static_cast<int>(o.normalizer), o.share_matches, o.one_to_many, static_cast<int>(o.naming),
                 o.mal_alpha, o.loss_fgl, o.loss_ddf, o.ddf_temperature, o.joint_pairs, o.initial_set, o.clamp_sides,
                 o.overlap_costs, o.overlap_costs_from, o.dense.has_value());
}

std::string text_of(const LrSchedule& o) {
  std::string text = written(static_cast<int>(o.shape), o.final_factor, o.hold, o.gamma, o.warmup_steps, o.flat_until,
                             o.tail_from, static_cast<int>(o.warmup));
  for (const std::int64_t epoch : o.milestones) text += written(epoch);
  return text;
}

/// Without multi-scale's sides, which have a test of their own.
std::string text_of(const TransformOptions& o) {
  return written(o.height, o.width, o.stride, static_cast<int>(o.resampling), o.photometric, o.zoom_out, o.zoom_out_max,
                 o.iou_crop, o.flip, o.flip_vertical, o.rotate90, o.min_box, o.mosaic, o.mosaic_scale,
                 o.mosaic_translate, o.mixup, o.multi_scale_nearest, static_cast<int>(o.mosaic_kind),
                 static_cast<int>(o.mixup_kind), o.copy_blend, static_cast<int>(o.fit), o.affine, o.hsv_h, o.hsv_s,
                 o.hsv_v);
}

/// Of one process.
std::string text_of(const LoaderOptions& o) {
  return written(o.batch_size, o.threads, o.prefetch, o.seed, o.shuffle, o.drop_last, o.max_bad, o.cache_mib);
}

std::string text_of(const BuildOptions& o) {
  return written(o.decoder_layers.value_or(-1), o.num_queries.value_or(-1), o.seed, o.initial_weights, o.shapes_only);
}

std::string text_of(const OptimizerOptions& o) {
  return written(static_cast<int>(o.kind), o.adamw.beta1, o.adamw.beta2, o.sgd.momentum, o.sgd.warmup_momentum,
                 o.muon.momentum);
}
std::string text_of(const EmaOptions& o) { return written(o.decay, o.ramp); }

TransformOptions transforms_of(const Settings& settings) {
  return training_transforms(settings, {640, 640}, kUsualStride);
}

double weight_of_dfl(Settings settings) {
  settings.criterion = "yolov8";
  return criterion_options(settings).dense.value().loss_dfl;
}

/// Everything that settings decide about the parts of a run.
std::string all_options(const Settings& settings) {
  return text_of(criterion_options(settings)) + text_of(lr_schedule(settings)) + text_of(optimizer_options(settings)) +
         text_of(ema_options(settings)) + text_of(transforms_of(settings)) + text_of(loader_options(settings)) +
         written(transforms_of(settings).multi_scale.size(), static_cast<int>(chosen("amp", settings.amp, kAmpWords)),
                 weight_of_dfl(settings));
}

Settings with(const Key& key, const std::string& value) {
  Settings settings = defaults();
  REQUIRE(set_value(key, value, settings) == "");
  return settings;
}

/// A value of the key that is not its default.
std::string another_value(const Key& key) {
  const std::string before = value_text(key, defaults());
  for (const char* value : {"0.25", "0.3", "2", "3", "0.001", "true", "false"}) {
    Settings settings = defaults();
    if (set_value(key, value, settings).empty() && value_text(key, settings) != before) return value;
  }
  return key.choices.empty() ? "" : key.choices.back();
}

std::string criterion_of(const std::string& model) {
  return build_model(load_model_spec(model, ""), {.shapes_only = true})->head().criteria().front();
}

}  // namespace

TEST_CASE("defaults of the keys are those of the option structs") {
  const Settings settings = defaults();
  CHECK(text_of(criterion_options(settings)) == text_of(CriterionOptions{}));
  CHECK(text_of(lr_schedule(settings)) == text_of(LrSchedule{}));
  CHECK(text_of(optimizer_options(settings)) == text_of(OptimizerOptions{}));
  CHECK(text_of(ema_options(settings)) == text_of(EmaOptions{}));
  CHECK(text_of(transforms_of(settings)) == text_of(TransformOptions{}));
  CHECK(text_of(loader_options(settings)) == text_of(LoaderOptions{}));
  CHECK(text_of(build_options(settings, 80)) == text_of(BuildOptions{}));
  CHECK(settings.max_pixels == PictureLimits{}.max_pixels);
  CHECK(settings.max_pixels == DetectorOptions{}.max_pixels);
  CHECK(settings.copy == ConvertOptions{}.copy_pictures);
}

TEST_CASE("a trainer without keys has the keys' defaults, but for the length of its run") {
  const Settings settings = defaults();
  const TrainOptions options;
  CHECK(options.accumulate == settings.accumulate);
  CHECK(options.lr0 == settings.lr0);
  CHECK(options.freeze == settings.freeze);
  const auto text_of_windows = [](const WindowOptions& o) {
    return written(o.strong_from, o.strong_until, o.mosaic_from, o.mosaic_until, o.multi_scale_until);
  };
  CHECK(text_of_windows(options.windows) == text_of_windows(window_options(settings)));
  CHECK(options.last_stage.from == settings.last_stage);
  CHECK(options.last_stage.retry == settings.last_stage_retry);
  CHECK(options.budget.hours == settings.time);
  CHECK(options.budget.patience == settings.patience);
  CHECK(options.budget.val_every == settings.val_every);
  CHECK(options.budget.val_steps == settings.val_steps);
  CHECK(options.step.clip_norm == settings.clip_norm);
  CHECK(options.step.sync_bn == settings.sync_bn);
  CHECK(options.step.seed == static_cast<std::uint64_t>(settings.seed));
  CHECK(options.save.save_every == settings.save_every);
  CHECK(options.save.save_steps == settings.save_steps);
  CHECK(options.save.save_period == settings.save_period);
  CHECK(options.save.check_space == settings.check_space);
  CHECK(options.evaluation.batch == settings.batch);
  CHECK(options.evaluation.workers == settings.workers);
  CHECK(options.evaluation.resampling == chosen("resample", settings.resample, kResamplingWords));
  CHECK(options.evaluation.fit == chosen("fit", settings.fit, kFitWords));
  CHECK(GroupDefaults{}.lr == settings.lr0);
  CHECK(GroupDefaults{}.weight_decay == settings.weight_decay);
}

TEST_CASE("every word that help names reaches an option of its own") {
  // one word; see the next tests; and how progress is told
  const std::set<std::string> elsewhere{"criterion", "weights_parts", "box_pairs", "progress"};
  for (const Key* key : keys_of(Command::kTrain)) {
    if (key->choices.empty() || elsewhere.contains(key->name)) continue;
    INFO(key->name);
    std::set<std::string> results;
    for (const std::string& word : key->choices) results.insert(all_options(with(*key, word)));
    CHECK(results.size() == key->choices.size());
  }
}

TEST_CASE("every key of loss, augmentation, schedule and loader reaches an option") {
  const std::set<std::string> sections{"loss", "augmentation", "optimizer and schedule"};
  const std::set<std::string> read_elsewhere{
      "warmup_bias_lr", "nbs",          "lr0",          "weight_decay",      "clip_norm",  "accumulate",
      "sync_bn",        "param_groups", "strong_until", "multi_scale_until", "milestones", "box_pairs",
      "strong_from",    "mosaic_from",  "mosaic_until", "layer_decay"};
  const std::set<std::string> of_loader{"workers", "prefetch", "batch", "seed", "max_bad", "cache_mib"};
  int tried = 0;
  for (const Key* key : keys_of(Command::kTrain)) {
    if (of_loader.contains(key->name)) CHECK(all_options(with(*key, another_value(*key))) != all_options(defaults()));
    if (!sections.contains(key->section) || read_elsewhere.contains(key->name)) continue;
    INFO(key->name);
    CHECK(all_options(with(*key, another_value(*key))) != all_options(defaults()));
    ++tried;
  }
  CHECK(tried > 30);
}

TEST_CASE("a nominal batch brings accumulate near to it, and weight decay to what a step has of it") {
  Settings settings = defaults();
  settings.batch = 16;
  settings.weight_decay = 5e-4;
  settle_nominal_batch(settings);
  CHECK(settings.accumulate == 1);
  CHECK(weight_decay_of_step(settings) == 5e-4);
  settings.nbs = 64;
  settle_nominal_batch(settings);
  CHECK(settings.accumulate == 4);
  CHECK(settings.origin_of("accumulate") == " (nbs=64)");
  CHECK(weight_decay_of_step(settings) == Approx(5e-4));
  settings.accumulate = 2;  // given
  settle_nominal_batch(settings);
  CHECK(settings.accumulate == 2);
  CHECK(weight_decay_of_step(settings) == Approx(2.5e-4));
  settings = defaults();
  settings.batch = 128;
  settings.weight_decay = 5e-4;
  settings.nbs = 64;
  settle_nominal_batch(settings);
  CHECK(settings.accumulate == 1);
  CHECK(weight_decay_of_step(settings) == Approx(1e-3));
}

TEST_CASE("each model is trained with the loss that it was published with") {
  for (const char* model : {"rtdetr-l.yaml", "rtdetr-x.yaml", "rtdetr-resnet50.yaml", "yolov8-rtdetr.yaml"}) {
    INFO(model);
    CHECK(criterion_of(model) == "ultralytics");
  }
  for (const char* model : {"rtdetr-n.yaml", "rtdetr_r18vd.yaml", "rtdetrv2_r18vd.yaml", "rtdetrv2_hgnetv2_l.yaml"}) {
    INFO(model);
    CHECK(criterion_of(model) == "official");
  }
  CHECK(criterion_of("dfine-n.yaml") == "dfine");
}

TEST_CASE("criterion=auto is the model's own, and what is given stays") {
  Settings settings = defaults();
  settle_criterion({"ultralytics", "official"}, settings);
  CHECK(settings.criterion == "ultralytics");
  CHECK(text_of(criterion_options(settings)) == text_of(CriterionOptions::ultralytics()));
  CHECK(settings.origin_of("vfl_alpha") == " (criterion=ultralytics)");

  settings = defaults();
  settings.vfl_alpha = 0.5;
  settings.given["vfl_alpha"] = "command line";
  settle_criterion({"ultralytics", "official"}, settings);
  CriterionOptions expected = CriterionOptions::ultralytics();
  expected.vfl_alpha = 0.5;
  CHECK(text_of(criterion_options(settings)) == text_of(expected));

  settings = defaults();
  settle_criterion({"dfine"}, settings);
  CHECK(text_of(criterion_options(settings)) == text_of(CriterionOptions::dfine()));
  CHECK(settings.origin_of("loss_ddf") == " (criterion=dfine)");

  settings = defaults();
  settle_criterion({"dino", "official"}, settings);
  CHECK(text_of(criterion_options(settings)) == text_of(CriterionOptions::dino()));
  CHECK(settings.origin_of("class_loss") == " (criterion=dino)");

  settings = defaults();
  settings.criterion = "official";
  settle_criterion({"ultralytics", "official"}, settings);
  CHECK(text_of(criterion_options(settings)) == text_of(CriterionOptions{}));
}

TEST_CASE("a criterion that does not train the head is refused, with those that do") {
  Settings settings = defaults();
  settings.criterion = "ultralytics";
  settings.given["criterion"] = "command line";
  CHECK_THROWS_AS(settle_criterion({"official"}, settings), ConfigError);
  CHECK_THROWS_WITH(settle_criterion({"official"}, settings),
                    "criterion=ultralytics (command line): it does not train this model's head; "
                    "criterion=official does");
  settings.criterion = kCriterionOfModel;
  settle_criterion({"official"}, settings);
  CHECK(settings.criterion == "official");
}

TEST_CASE("what the criterion does not know is refused, with the place where it was given") {
  struct Refusal {
    std::vector<std::string> of_head;
    std::string key, value;
    std::vector<std::string> says;
  };
  const std::vector<Refusal> refusals{
      {{"official"}, "loss_fgl", "0.15", {"loss_fgl=0.15 (args.yaml:7)", "criterion=official has not", "set it to 0"}},
      {{"ultralytics", "official"}, "loss_ddf", "1.5", {"loss_ddf=1.5 (args.yaml:7)", "criterion=ultralytics has not"}},
      {{"dfine"}, "one_to_many", "4", {"one_to_many=4 (args.yaml:7)", "criterion=dfine", "set one_to_many=0"}},
      {{"official"}, "loss_dfl", "1.5", {"loss_dfl=1.5 (args.yaml:7)", "criterion=official has not", "set it to 0"}},
      {{"yolov8"}, "loss_giou", "3", {"loss_giou (args.yaml:7)", "criterion=yolov8", "leave loss_giou away"}},
      {{"yolov8"}, "class_loss", "mal", {"class_loss (args.yaml:7)", "matches no queries"}}};
  for (const Refusal& refusal : refusals) {
    INFO(refusal.key);
    const Key* key = find_key(refusal.key, Command::kTrain);
    REQUIRE(key != nullptr);
    Settings settings = with(*key, refusal.value);
    settings.given[refusal.key] = "args.yaml:7";
    for (const std::string& text : refusal.says)
      CHECK_THROWS_WITH(settle_criterion(refusal.of_head, settings), Catch::Contains(text));
    CHECK_THROWS_AS(settle_criterion(refusal.of_head, settings), ConfigError);
  }
}

TEST_CASE("the pairs of box losses are the criterion's unless told, and own ones teach no distributions") {
  Settings settings = defaults();
  settings.box_pairs = "own";
  settings.given["box_pairs"] = "args.yaml:7";
  CHECK_THROWS_WITH(settle_criterion({"dfine"}, settings),
                    Catch::Contains("box_pairs=own (args.yaml:7)") && Catch::Contains("set loss_fgl=0 loss_ddf=0"));
  settings.loss_fgl = settings.loss_ddf = 0;
  settings.given["loss_fgl"] = settings.given["loss_ddf"] = "args.yaml:8";
  settle_criterion({"dfine"}, settings);
  CHECK_FALSE(criterion_options(settings).joint_pairs);
  CHECK(criterion_options(settings).initial_set);
  for (const std::string words : {"auto", "joint"}) {
    settings.box_pairs = words;
    settle_criterion({"dfine"}, settings);
    CHECK(criterion_options(settings).joint_pairs);
  }
  settings = defaults();
  settings.box_pairs = "joint";
  CHECK_THROWS_WITH(settle_criterion({"official"}, settings), Catch::Contains("only criterion=dfine"));
}

TEST_CASE("losses of distributions that weigh nothing, and one match per box, suit every criterion") {
  for (const std::string criterion : {"official", "ultralytics", "dfine"}) {
    Settings settings = defaults();
    settings.loss_fgl = settings.loss_ddf = 0;
    settings.one_to_many = 1;
    for (const char* key : {"loss_fgl", "loss_ddf", "one_to_many"}) settings.given[key] = "command line";
    CHECK_NOTHROW(settle_criterion({criterion}, settings));
  }
}

TEST_CASE("arguments of a D-FINE run are refused for another model, under the other criterion's name too") {
  Settings settings = defaults();
  settle_criterion({"dfine"}, settings);
  for (const char* key : {"criterion", "loss_fgl", "loss_ddf"}) settings.given[key] = "args.yaml:7";
  CHECK_THROWS_WITH(settle_criterion({"official"}, settings), Catch::Contains("criterion=dfine (args.yaml:7)"));
  settings.criterion = "official";
  CHECK_THROWS_WITH(settle_criterion({"official"}, settings), Catch::Contains("loss_fgl=0.15 (args.yaml:7)"));
}

TEST_CASE("YOLOv8's criterion brings its three weights, of which given ones stay") {
  Settings settings = defaults();
  settings.loss_bbox = 5;
  settings.given["loss_bbox"] = "args.yaml:7";
  settle_criterion({"yolov8"}, settings);
  settle_criterion({"yolov8"}, settings);  // a run that goes on
  const DenseOptions weights = criterion_options(settings).dense.value();
  CHECK(written(weights.loss_class, weights.loss_bbox, weights.loss_dfl) == written(0.5, 5, 1.5));
}

TEST_CASE("every criterion that a decoder names is one that the program knows") {
  for (const char* model : {"rtdetr-l.yaml", "rtdetr-n.yaml", "dfine-n.yaml", "dino_r50_4scale.yaml"}) {
    const DetectionModel built = build_model(load_model_spec(model, ""), {.shapes_only = true});
    for (const std::string& word : built->head().criteria()) CHECK_NOTHROW(chosen("criterion", word, kCriterionWords));
  }
}

TEST_CASE("plain cross-entropy of Ultralytics' criterion is the one that counts queries") {
  Settings settings = defaults();
  settings.class_loss = "bce";
  CHECK(criterion_options(settings).class_loss == ClassLoss::kBce);
  settings.criterion = "ultralytics";
  CHECK(criterion_options(settings).class_loss == ClassLoss::kSoftBce);
}

}  // namespace rtdetr
