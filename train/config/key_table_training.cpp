#include <limits>
#include <string>
#include <vector>

#include "core/base/choices.h"
#include "data/transforms/transforms.h"
#include "losses/options.h"
#include "train/config/key_section.h"
#include "train/optim/lr_schedule.h"

/// The rows of a training run; the others are in key_table.cpp.
namespace rtdetr::key_table {

namespace {

constexpr double kNone = std::numeric_limits<double>::infinity();

std::vector<std::string> criterion_words() {
  std::vector<std::string> words = words_of(kCriterionWords);
  words.insert(words.begin(), kCriterionOfModel);
  return words;
}

void add_run_keys(std::vector<Key>& keys) {
  Section s(keys, "length of the run");
  s.number("epochs", &Settings::epochs, kTrain, 1, 1000000, "epochs", "72", "passes over the training pictures")
      .on_resume = kMayChange;
  s.number(
       "time", &Settings::time, kTrain, 0, 100000, "hours", "0.25",
       "stop after so long in training, and let the schedule end there; validations come on top. What a recipe says in "
       "steps or epochs is fitted to the steps that this machine makes in that time; 0 = no limit")
      .on_resume = kMayChange;
  s.path("resume", &Settings::resume, kTrain, "auto",
         "auto or true continues the run in <project>/<name>, a checkpoint or run folder continues that one; without "
         "model= "
         "and data= it goes on as it was told; false starts anew")
      .on_resume = kOfOneCall;
  s.flag("check", &Settings::check, kTrain,
         "print the resolved plan (model, data, memory, time, disk) after three trial steps, and stop; nothing is "
         "written")
      .on_resume = kOfOneCall;
  s.number("save_every", &Settings::save_every, kTrain, 0, 1e9, "seconds", "300",
           "time between two writes of last.safetensors inside an epoch; 0 = at epoch ends only")
      .on_resume = kMayChange;
  s.number("save_steps", &Settings::save_steps, kTrain, 0, 1e9, "steps", "1000",
           "the same in steps, whichever comes first; 0 = by time only")
      .on_resume = kMayChange;
  s.number("save_period", &Settings::save_period, kTrain, 0, 1000000, "epochs", "10",
           "keep epoch-N.safetensors every so many epochs; 0 = never")
      .on_resume = kMayChange;
  s.flag("check_space", &Settings::check_space, kTrain,
         "do not start when the disk has no room for two checkpoints; false where it says less than it has")
      .on_resume = kMayChange;
  s.flag("val", &Settings::val, kTrain, "validate during training").on_resume = kMayChange;
  s.number("val_every", &Settings::val_every, kTrain, 1, 1000000, "epochs", "1",
           "epochs between two validations; a recipe's value is lowered so that there are five")
      .on_resume = kMayChange;
  s.number("val_steps", &Settings::val_steps, kTrain, 0, 1e9, "steps", "1000",
           "the same in steps, inside epochs too, and then instead of val_every; 0 = by epochs, or what suits a run "
           "by time= of fewer than five")
      .on_resume = kMayChange;
  s.number("last_stage", &Settings::last_stage, kTrain, 0, 1000000, "share of the run, or epoch", "120",
           "the run goes on from its best weights there (D-FINE, DEIM: with strong_until): weights, averages and the "
           "optimizer's state; up to 1 a share of the run, above 1 an epoch; 1 = nowhere");
  s.flag(
      "last_stage_retry", &Settings::last_stage_retry, kTrain,
      "after last_stage, go back to those weights after each validation that is no better than the best since the run "
      "last went back (D-FINE, DEIM); these epochs are then selected by what they are validated on");
  s.number("patience", &Settings::patience, kTrain, 0, 1000000, "epochs", "20",
           "end the run after so many epochs without a better AP; 0 = never")
      .on_resume = kMayChange;
}

void add_optimizer_keys(std::vector<Key>& keys) {
  Section s(keys, "optimizer and schedule");
  s.choice(
      "optimizer", &Settings::optimizer, kTrain, {"adamw", "sgd", "muon"},
      "how the weights are updated: AdamW; gradient descent with Nesterov's momentum (YOLO); or Muon, which learns "
      "from scratch in about half the steps, at AdamW's rates and above");
  s.above("lr0", &Settings::lr0, kTrain, 0, 10, "", "0.0001", "learning rate");
  s.number("lrf", &Settings::lrf, kTrain, 0, 1, "share of lr0", "0.01",
           "learning rate at the end (linear, cosine, flat_cosine)");
  s.number("hold", &Settings::hold, kTrain, 0, 1, "share of the run", "0.5",
           "linear, cosine: how long the learning rate stays at lr0 before it falls");
  s.choice("schedule", &Settings::schedule, kTrain, words_of(kScheduleWords), "learning rate after the warm-up");
  s.number("milestones", &Settings::milestones, kTrain, 1, 1000000, "epochs", "40,55",
           "multistep: where the learning rate is multiplied by gamma");
  s.above("gamma", &Settings::gamma, kTrain, 0, 1, "", "0.1", "multistep: factor at each milestone");
  s.number("flat_until", &Settings::flat_until, kTrain, 0, 1000000, "share of the run, or epoch", "64",
           "flat_cosine: the learning rate falls from there, along half a cosine; up to 1 a share of the run, above 1 "
           "an epoch");
  s.number("tail_from", &Settings::tail_from, kTrain, 0, 1000000, "share of the run, or epoch", "120",
           "flat_cosine: it has fallen to lrf there");
  s.number("warmup_steps", &Settings::warmup_steps, kTrain, 0, 1e9, "steps", "2000",
           "steps over which the learning rate rises from 0");
  s.choice("warmup", &Settings::warmup, kTrain, words_of(kWarmupWords),
           "how it rises: evenly, with the square of the steps (DEIM), or evenly from a first step at 0 (YOLO)");
  s.number("warmup_bias_lr", &Settings::warmup_bias_lr, kTrain, 0, 10, "", "0.1",
           "learning rate of the biases as the warm-up begins, from where it comes to lr0; 0 = it rises as all others");
  s.number("weight_decay", &Settings::weight_decay, kTrain, 0, 1, "", "0.0001",
           "weight decay; of adamw and muon decoupled from the gradients, of sgd a part of them");
  s.number("beta1", &Settings::beta1, kTrain, 0, 0.999999, "", "0.9",
           "adamw, and muon for what is no matrix: decay of the mean of the gradients");
  s.number("beta2", &Settings::beta2, kTrain, 0, 0.99999999, "", "0.999",
           "the same: decay of the mean of their squares");
  s.number("momentum", &Settings::momentum, kTrain, 0, 0.999999, "", "0.937",
           "sgd, muon: share of the update before that stays in the next one");
  s.number("warmup_momentum", &Settings::warmup_momentum, kTrain, 0, 0.999999, "", "0.8",
           "sgd: momentum as the warm-up begins");
  s.number("clip_norm", &Settings::clip_norm, kTrain, 0, kNone, "", "0.1",
           "largest norm of all gradients together; 0 = no limit");
  s.flag("sync_bn", &Settings::sync_bn, kTrain,
         "several processes: BatchNorm over the pictures of all of them, as one process has it; false = each its own, "
         "which waits less");
  s.number("accumulate", &Settings::accumulate, kTrain, 1, 65536, "batches", "1", "batches per optimizer step");
  s.number("nbs", &Settings::nbs, kTrain, 0, 1000000, "pictures", "64",
           "nominal batch: weight_decay is multiplied by the pictures of a step over it, and accumulate, where it is "
           "not given, brings a step near to it; 0 = neither");
  s.number("ema_decay", &Settings::ema_decay, kTrain, 0, 0.99999999, "", "0.9999",
           "of the averaged weights, which are evaluated and exported; 0 = no average");
  s.number(
      "ema_ramp", &Settings::ema_ramp, kTrain, 0, 1e9, "steps", "2000",
      "the average's decay at step t is ema_decay · (1 − exp(−t / ema_ramp)); 0 = ema_decay from the first step on");
  s.above("layer_decay", &Settings::layer_decay, kTrain, 0, 1, "", "0.7",
          "vision transformers: each layer learns at this share of the rate of the one behind it; 1 = all at one rate");
  s.add("param_groups", &Settings::param_groups, kTrain, "", "[{match: backbone, lr_scale: 0.1}]",
        "recipe only: list of {match: regular expression, lr_scale: or lr:, weight_decay:}");
}

void add_augmentation_keys(std::vector<Key>& keys) {
  Section s(keys, "augmentation");
  s.number("photometric", &Settings::photometric, kTrain, 0, 1, "probability", "0.5", "change of colours");
  s.number("zoom_out", &Settings::zoom_out, kTrain, 0, 1, "probability", "0.5", "picture on a larger black canvas");
  s.number("zoom_out_max", &Settings::zoom_out_max, kTrain, 1, 16, "sides", "4", "largest side of that canvas");
  s.number("iou_crop", &Settings::iou_crop, kTrain, 0, 1, "probability", "0.8", "crop that keeps boxes");
  s.number("flip", &Settings::flip, kTrain, 0, 1, "probability", "0.5", "left becomes right");
  s.number("flip_vertical", &Settings::flip_vertical, kTrain, 0, 1, "probability", "0", "top becomes bottom");
  s.number("rotate90", &Settings::rotate90, kTrain, 0, 1, "probability", "0", "turn by 90, 180 or 270 degrees");
  s.number(
      "min_box", &Settings::min_box, kTrain, 0, 1024, "pixels", "8",
      "boxes of which augmentation leaves less than this along a side are left out, in the picture that was cut and in "
      "that of imgsz");
  s.number("mosaic", &Settings::mosaic, kTrain, 0, 1, "probability", "0", "four pictures in one");
  s.number("mosaic_scale", &Settings::mosaic_scale, kTrain, 0, 0.99, "share", "0.5",
           "a mosaic is seen at 1 minus this to 1 plus this of its size");
  s.number("mosaic_translate", &Settings::mosaic_translate, kTrain, 0, 0.5, "share of a side", "0.1",
           "a mosaic is shifted by up to this much");
  s.number("affine", &Settings::affine, kTrain, 0, 1, "probability", "1",
           "a picture that is no mosaic is seen at mosaic_scale and mosaic_translate, too, on a grey ground and "
           "without zoom_out and iou_crop (Ultralytics: always)");
  s.number("hsv_h", &Settings::hsv_h, kTrain, 0, 1, "turns", "0.015",
           "the hue of every picture is shifted by up to this (Ultralytics), with mosaic and mixup as one, to the end "
           "of the run");
  s.number("hsv_s", &Settings::hsv_s, kTrain, 0, 1, "share", "0.7",
           "its saturation is multiplied by 1 minus to 1 plus this");
  s.number("hsv_v", &Settings::hsv_v, kTrain, 0, 1, "share", "0.4",
           "its brightness is multiplied by 1 minus to 1 plus this");
  s.number("mixup", &Settings::mixup, kTrain, 0, 1, "probability", "0", "two pictures blended, with the boxes of both");
  s.number(
      "copy_blend", &Settings::copy_blend, kTrain, 0, 1, "probability", "0.4",
      "three objects of the batch blended into each of its pictures, at other places (DEIMv2); drawn for each batch "
      "that mixup_kind=deim leaves, in the epochs of mosaic and mixup");
  s.choice(
      "mosaic_kind", &Settings::mosaic_kind, kTrain, words_of(kBlendKindWords),
      "Ultralytics' mosaic: tiles of imgsz that meet at a drawn point; or DEIM's: tiles whose shorter side is half "
      "of imgsz, turned together by up to 10 degrees");
  s.choice(
      "mixup_kind", &Settings::mixup_kind, kTrain, words_of(kBlendKindWords),
      "Ultralytics' mixup: drawn for each picture, with any other; or DEIM's: drawn for each batch, whose pictures "
      "are blended with their neighbours");
  s.number("multi_scale", &Settings::multi_scale, kTrain, 0, 0.75, "share of imgsz", "0.25",
           "vary the input size per batch by up to this share; 0 = off");
  s.number("multi_scale_repeat", &Settings::multi_scale_repeat, kTrain, 0, 1000, "times", "20",
           "how often imgsz itself stands in the list that the size is drawn from; the others stand there once");
  s.flag("multi_scale_nearest", &Settings::multi_scale_nearest, kTrain,
         "to imgsz first and from there with nearest neighbours, as the official code; otherwise straight to the drawn "
         "size");
  s.number(
      "strong_from", &Settings::strong_from, kTrain, 0, 1000000, "share of the run, or epoch", "4",
      "photometric, zoom_out, iou_crop, mosaic and mixup begin there: up to 1 a share of the run, above 1 an epoch");
  s.number(
      "strong_until", &Settings::strong_until, kTrain, 0, 1000000, "share of the run, or epoch", "0.9",
      "photometric, zoom_out, iou_crop, mosaic and mixup stop there: up to 1 a share of the run, above 1 an epoch");
  s.number("mosaic_from", &Settings::mosaic_from, kTrain, 0, 1000000, "share of the run, or epoch", "4",
           "mosaic and mixup begin there, in the same way, but not before strong_from");
  s.number("mosaic_until", &Settings::mosaic_until, kTrain, 0, 1000000, "share of the run, or epoch", "64",
           "mosaic and mixup stop there, or with strong_until");
  s.number("multi_scale_until", &Settings::multi_scale_until, kTrain, 0, 1000000, "share of the run, or epoch", "0.9",
           "multi_scale stops there, in the same way");
}

void add_model_keys(std::vector<Key>& keys) {
  Section s(keys, "model (by default what its file says)");
  s.number("nc", &Settings::nc, kTrain | kExport | kInfo | kBenchmark, 0, 65536, "classes", "80",
           "number of classes of a model YAML; train takes the data set's; 0 = the file's");
  s.number("num_queries", &Settings::num_queries, kModelUsers | kCheck | kConvert, 0, 10000, "queries", "300",
           "detections per picture: the best so many of the encoder's tokens; 0 = the file's");
  s.number("decoder_layers", &Settings::decoder_layers, kModelUsers, 0, 64, "layers", "3",
           "use only the first layers of the decoder; 0 = all");
  s.add("freeze", &Settings::freeze, kTrain, "", "backbone",
        "regular expression: parameters whose name contains a match are not trained; or a number: so many rows of the "
        "model's YAML from the first on");
}

void add_loss_keys(std::vector<Key>& keys) {
  Section s(keys, "loss");
  s.choice(
      "criterion", &Settings::criterion, kTrain, criterion_words(),
      "whose loss: the official code's, Ultralytics' (its constants, its divisor, its focal loss for batches "
      "without boxes), D-FINE's, YOLOv8's of boxes at every cell, or DINO's (focal loss, names of terms); auto = the "
      "one that the model's decoder was published with");
  s.number("loss_class", &Settings::loss_class, kTrain, 0, 1000, "", "1", "weight of the classification loss");
  s.number("loss_bbox", &Settings::loss_bbox, kTrain, 0, 1000, "", "5", "weight of the L1 loss");
  s.number("loss_giou", &Settings::loss_giou, kTrain, 0, 1000, "", "2", "weight of the GIoU loss");
  s.number("cost_class", &Settings::cost_class, kTrain, 0, 1000, "", "2", "matcher: weight of the class cost");
  s.number("cost_bbox", &Settings::cost_bbox, kTrain, 0, 1000, "", "5", "matcher: weight of the L1 cost");
  s.number("cost_giou", &Settings::cost_giou, kTrain, 0, 1000, "", "2", "matcher: weight of the GIoU cost");
  s.number("cost_alpha", &Settings::cost_alpha, kTrain, 0, 1, "", "0.25",
           "matcher: weight of the target's class in the focal class cost");
  s.number("cost_gamma", &Settings::cost_gamma, kTrain, 0, 10, "", "2", "matcher: focusing exponent of that cost");
  s.choice("class_loss", &Settings::class_loss, kTrain, words_of(kClassLossWords),
           "varifocal, matchability-aware (DEIM), focal, or binary cross-entropy");
  s.number("vfl_alpha", &Settings::vfl_alpha, kTrain, 0, 1, "", "0.75", "vfl: weight of the unmatched queries");
  s.number("vfl_gamma", &Settings::vfl_gamma, kTrain, 0, 10, "", "2",
           "vfl: focusing exponent of the unmatched queries");
  s.number("focal_alpha", &Settings::focal_alpha, kTrain, 0, 1, "", "0.25", "focal: weight of the matched queries");
  s.number("focal_gamma", &Settings::focal_gamma, kTrain, 0, 10, "", "2", "focal: focusing exponent");
  s.number("mal_gamma", &Settings::mal_gamma, kTrain, 0, 10, "", "1.5", "mal: exponent of overlap and score");
  s.number("mal_alpha", &Settings::mal_alpha, kTrain, 0, 10, "", "1", "mal: weight of the unmatched queries");
  s.number(
      "iou_eps", &Settings::iou_eps, kTrain, 0, 0.01, "", "1e-6",
      "added to union and hull in IoU and GIoU, of losses and costs; criterion=ultralytics brings 1e-7, dino 1e-6");
  s.number("loss_fgl", &Settings::loss_fgl, kTrain, 0, 1000, "", "0.15",
           "D-FINE: weight of the loss that leads distributions to their boxes; criterion=dfine brings 0.15");
  s.number("loss_ddf", &Settings::loss_ddf, kTrain, 0, 1000, "", "1.5",
           "D-FINE: weight of the loss by which the last layer's distributions teach the others; criterion=dfine "
           "brings 1.5");
  s.number("loss_dfl", &Settings::loss_dfl, kTrain, 0, 1000, "", "1.5",
           "YOLOv8: weight of the loss of the sides' distributions; criterion=yolov8 brings 1.5");
  s.choice("box_weight", &Settings::box_weight, kTrain, words_of(kBoxWeightWords),
           "a pair's overlap by which its GIoU loss is weighed (RT-DETRv2's boxes_weight_format)");
  s.choice(
      "box_pairs", &Settings::box_pairs, kTrain, {"auto", "joint", "own"},
      "D-FINE: the pairs that box losses learn from, those that any output set has found or each set's own (DEIMv2's "
      "tiny sizes, without loss_fgl and loss_ddf); auto = joint with criterion=dfine, else own");
  s.number("overlap_costs_from", &Settings::overlap_costs_from, kTrain, 0, 1000000, "epoch", "136",
           "matcher: from this epoch on a pair's cost is its score times the fourth power of its IoU, negative, and "
           "nothing else (DEIMv2); 0 = never");
  s.flag("share_matches", &Settings::share_matches, kTrain,
         "all decoder layers take the last one's pairs (RT-DETRv2's share_matched_indices)");
  s.number("one_to_many", &Settings::one_to_many, kTrain, 0, 100, "matches", "0",
           "additional matches per box for the encoder's queries; some help small data sets; not with criterion=dfine");
}

}  // namespace

void add_training_keys(std::vector<Key>& keys) {
  add_run_keys(keys);
  add_optimizer_keys(keys);
  add_augmentation_keys(keys);
  add_model_keys(keys);
  add_loss_keys(keys);
}

}  // namespace rtdetr::key_table
