#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/tensor/detection.h"
#include "losses/hungarian_matcher.h"
#include "losses/options.h"

namespace rtdetr {

struct LossTerm {
  std::string name;  ///< loss_vfl, loss_bbox_aux_0, loss_giou_dn_2, …
  Tensor value;      ///< scalar, weighted
};

struct CriterionResult {
  Tensor total;                 ///< scalar: the sum of all terms, YOLOv8's times the pictures of the batch
  std::vector<LossTerm> terms;  ///< always the same names for the same outputs, empty batches included
  Tensor values;                ///< [terms] the same numbers in one tensor, so that one copy brings all to the host
  /// Per decoder layer, first to last, then of the initial boxes and of the encoder, where these are sets; per image.
  std::vector<std::vector<Match>> matches;
  std::vector<Match> joint;  ///< CriterionOptions::joint_pairs, per image; else empty
};

/// The pictures that a step learns from, of which a call of compute_losses may have a part: several processes have one
/// each, and batches that are accumulated. Where gradients are averaged over processes, its numbers are divided by
/// theirs: each has its share.
struct WholeStep {
  double num_boxes = 1;   ///< boxes, at least 1 of all processes together; 0 is taken for 1
  double pictures = 1;    ///< D-FINE's: DDF takes means over their queries
  bool has_boxes = true;  ///< whether a picture of this batch, whichever process has it, has any; else the denoising
                          ///< group is a dummy
  /// From this part's joint pairs (D-FINE's) or sum of target scores (YOLOv8's) to that of all, which only the matching
  /// of all parts can tell; without, this part is all. Called once in each call of compute_losses under
  /// CriterionOptions::sums_jointly.
  std::function<double(double)> joint_pairs;
  double batch = 0;      ///< YOLOv8's: pictures of this batch, whichever process has them; 0: `pictures`
  double processes = 1;  ///< over which gradients are averaged: so many shares make the whole
};

/// What the class term of the last decoder layer can be called.
std::vector<std::string> class_term_names();

/// Set-prediction loss over decoder layers, encoder selection and denoising groups
/// (docs/reference/official_behaviour.md#loss). All output sets are treated as one stacked tensor: the number of
/// operations does not grow with the layers.
///
/// An image without boxes has no pair and adds nothing to the box terms; all its queries are background in the class
/// term. It adds nothing to the divisor, and its denoising slots are padding, background too. So terms and graph are
/// the same with boxes and without; for a batch without any, see DenoisingOptions::empty_batch.
///
/// @param targets  B entries; an image may have no box, and so may all
/// @param whole    what sums are divided by, so that the terms of all parts add up to those of the whole
/// @return         terms by output set: decoder layers (last first), initial boxes and encoder if they are sets,
///                 denoising if there is
/// @throws DataError if a label is outside the predicted classes
/// @note  computed in the predictions' float type, half types raised to float32; never NaN on finite input; the host
///        waits for a device once (matching)
CriterionResult compute_losses(const ModelOutput& output, std::span<const Target> targets, const WholeStep& whole,
                               const CriterionOptions& options = {});
/// Of pictures that are all there are.
CriterionResult compute_losses(const ModelOutput& output, std::span<const Target> targets, double num_boxes,
                               const CriterionOptions& options = {});

/// The joint pairs that compute_losses would find, per image, without any loss.
/// @throws DataError if a label is outside the predicted classes
std::vector<Match> find_joint_pairs(const ModelOutput& output, std::span<const Target> targets,
                                    const CriterionOptions& options);

std::int64_t count_pairs(const std::vector<Match>& images);

/// Pairs of S output sets, S × B, and S numbers by which their sums are divided.
struct SetPairs {
  std::vector<std::vector<Match>> matches;
  std::vector<double> normalizer;
};

/// Loss sums of S output sets with given pairs: what compute_losses does after matching.
///
/// @param box_pairs  of box and GIoU terms, where these are not those of the class term
/// @return           [3, S]: class, box and GIoU terms, weighted
Tensor losses_of_matches(const Tensor& logits, const Tensor& boxes, const BatchTargets& targets, const SetPairs& pairs,
                         const CriterionOptions& options, const SetPairs* box_pairs = nullptr);

}  // namespace rtdetr
