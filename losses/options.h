#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "core/base/choices.h"

namespace rtdetr {

/// How a query's class scores are compared with its target; letters: p = sigmoid(logit), q = IoU of the matched pair.
enum class ClassLoss {
  kVarifocal,  ///< matched: q·BCE(logit, q); others: vfl_alpha·p^vfl_gamma·BCE(logit, 0) (VarifocalNet; RT-DETR's)
  kMal,        ///< matched: BCE(logit, q^mal_gamma); others: mal_alpha·p^mal_gamma·BCE(logit, 0) (DEIM, arXiv
               ///< 2412.04234 §3.2)
  kFocal,      ///< sigmoid focal loss, matched focal_alpha, others 1 - focal_alpha (RetinaNet)
  kBce,        ///< BCE with 1 for matched
  kSoftBce,    ///< BCE with q for matched, divided by the queries instead of the boxes (Ultralytics without its `fl`)
};
inline constexpr std::array<Choice<ClassLoss>, 4> kClassLossWords{
    {{"vfl", ClassLoss::kVarifocal}, {"mal", ClassLoss::kMal}, {"focal", ClassLoss::kFocal}, {"bce", ClassLoss::kBce}}};

/// Weights of the terms of a loss that learns at every cell and matches no queries: YOLOv8's (dense_criterion.h).
struct DenseOptions {
  double loss_class = 0.5, loss_bbox = 7.5, loss_dfl = 1.5;
};

/// Weights and constants of matching and loss; defaults are the official recipe
/// (docs/reference/official_behaviour.md#loss).
struct CriterionOptions {
  double cost_class = 2, cost_bbox = 5, cost_giou = 2;  ///< matcher
  double cost_alpha = 0.25, cost_gamma = 2;             ///< focal constants of the class cost
  double loss_class = 1, loss_bbox = 5, loss_giou = 2;  ///< weights of the terms

  ClassLoss class_loss = ClassLoss::kVarifocal;
  double vfl_alpha = 0.75, vfl_gamma = 2;
  double focal_alpha = 0.25, focal_gamma = 2;
  double mal_gamma = 1.5, mal_alpha = 1;
  /// Lets the gradient flow through the varifocal weight p^gamma too (Ultralytics; official: weight is a constant).
  bool vfl_weight_gradient = false;
  /// A batch without matched pairs takes the focal loss instead (Ultralytics).
  bool focal_when_empty = false;

  double iou_epsilon = 0;  ///< added to union and hull, in costs too; Ultralytics 1e-7, DINO 1e-6
  /// The matched pair's (constant) overlap weighs its GIoU term and is its q; RT-DETRv2's `boxes_weight_format`.
  enum class BoxWeight { kNone, kIou, kGiou } box_weight = BoxWeight::kNone;
  /// What sums are divided by: `num_boxes` of the call, or the pairs matched in this process (Ultralytics).
  enum class Normalizer { kNumBoxes, kMatchedPairs } normalizer = Normalizer::kNumBoxes;

  // D-FINE's (docs/reference/official_behaviour.md#d-fine); its head alone has what they speak of.
  double loss_fgl = 0, loss_ddf = 0;  ///< weights of the losses of distributions; both 0: there are none
  double ddf_temperature = 5;
  bool joint_pairs = false;  ///< box terms and distributions learn from the pairs of all sets (joint_pairs.h)
  bool initial_set = false;  ///< the boxes from which distributions start are a set of their own
  bool clamp_sides = false;  ///< negative sides count as 0 in IoU and GIoU, in costs too

  /// Of heads that predict at every cell: the whole loss, in place of all else here.
  std::optional<DenseOptions> dense;

  /// The cost of a pair is -p · IoU⁴ and nothing else (DEIMv2's matching from a late epoch on): the query that is best
  /// as the evaluation counts gets the target. Pairs that do not overlap cost nothing, all alike.
  bool overlap_costs = false;
  std::int64_t overlap_costs_from = 0;  ///< epoch of a run in which that begins; 0 = it does not, see at_epoch

  /// Auxiliary decoder layers take the last layer's pairs (RT-DETRv2's `share_matched_indices`).
  bool share_matches = false;
  /// Each target may be matched to this many of the encoder's selected queries, its terms divided by as much. Above 1
  /// more tokens learn per picture, which small data sets like (H-DETR, arXiv 2207.13080, applied to query selection).
  std::int64_t one_to_many = 1;

  /// Names of the terms. Official: one for each output set, as RT-DETRv2 calls them (v1's `loss_vfl_aux_{L-1}` is
  /// `loss_vfl_enc_0`). Ultralytics': 12 sums loss_{class,bbox,giou}{,_aux,_dn,_aux_dn}, the encoder counted as
  /// auxiliary. DINO's: loss_{ce,bbox,giou} and "_k" for earlier layers, "_interm" for the encoder, "_dn" and "_dn_k".
  enum class Naming { kOfficial, kUltralytics, kDino } naming = Naming::kOfficial;

  /// The same loss for a part of a batch, so that the terms of all parts add up to those of the whole: no part divides
  /// by its own pairs, which all boxes together have as many of, or takes another loss for want of boxes that others
  /// have.
  CriterionOptions for_part_of_batch(double boxes_of_all) const;

  /// Whether a number of all parts decides what each part's sums are divided by, so that none can be left out.
  bool sums_jointly() const { return joint_pairs || dense; }

  /// As a run has it in this epoch, counted from 0.
  CriterionOptions at_epoch(std::int64_t epoch) const;

  /// The numbers of Ultralytics 8.4 (docs/reference/official_behaviour.md#ultralytics-loss).
  static CriterionOptions ultralytics();
  /// The numbers of D-FINE; with ClassLoss::kMal those of DEIM.
  static CriterionOptions dfine();
  /// The numbers of YOLOv8 in Ultralytics 8.4 (docs/reference/official_behaviour.md#yolov8s-loss).
  static CriterionOptions yolov8();
  /// The numbers of DINO: a focal loss, and an epsilon in IoU and GIoU.
  static CriterionOptions dino();
  /// Whose loss.
  enum class Variant { kOfficial, kUltralytics, kDfine, kYolov8, kDino };
};
inline constexpr std::array<Choice<CriterionOptions::Variant>, 5> kCriterionWords{
    {{"official", CriterionOptions::Variant::kOfficial},
     {"ultralytics", CriterionOptions::Variant::kUltralytics},
     {"dfine", CriterionOptions::Variant::kDfine},
     {"yolov8", CriterionOptions::Variant::kYolov8},
     {"dino", CriterionOptions::Variant::kDino}}};
inline constexpr std::array<Choice<CriterionOptions::BoxWeight>, 3> kBoxWeightWords{
    {{"none", CriterionOptions::BoxWeight::kNone},
     {"iou", CriterionOptions::BoxWeight::kIou},
     {"giou", CriterionOptions::BoxWeight::kGiou}}};

}  // namespace rtdetr
