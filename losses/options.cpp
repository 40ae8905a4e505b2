// Whose numbers a criterion has.
#include "losses/options.h"

namespace rtdetr {

CriterionOptions CriterionOptions::for_part_of_batch(double boxes_of_all) const {
  CriterionOptions part = *this;
  part.normalizer = Normalizer::kNumBoxes;
  part.focal_when_empty = focal_when_empty && boxes_of_all == 0;
  return part;
}

CriterionOptions CriterionOptions::at_epoch(std::int64_t epoch) const {
  CriterionOptions present = *this;
  present.overlap_costs = overlap_costs || (overlap_costs_from > 0 && epoch >= overlap_costs_from);
  return present;
}

CriterionOptions CriterionOptions::dfine() {
  CriterionOptions options;
  options.loss_fgl = 0.15;
  options.loss_ddf = 1.5;
  options.joint_pairs = options.initial_set = options.clamp_sides = true;
  return options;
}

CriterionOptions CriterionOptions::yolov8() {
  CriterionOptions options;
  options.dense = DenseOptions{};
  options.loss_giou = 0;  // as runs say that are to be continued
  return options;
}

CriterionOptions CriterionOptions::dino() {
  CriterionOptions options;
  options.class_loss = ClassLoss::kFocal;
  options.iou_epsilon = 1e-6;
  options.naming = Naming::kDino;
  return options;
}

CriterionOptions CriterionOptions::ultralytics() {
  CriterionOptions options;
  options.vfl_alpha = 0.25;
  options.vfl_gamma = 1.5;
  options.focal_gamma = 1.5;
  options.vfl_weight_gradient = true;
  options.focal_when_empty = true;
  options.iou_epsilon = 1e-7;
  options.normalizer = Normalizer::kMatchedPairs;
  options.naming = Naming::kUltralytics;
  return options;
}

}  // namespace rtdetr
