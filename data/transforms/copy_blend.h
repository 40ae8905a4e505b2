#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/base/random.h"
#include "data/dataset/sample.h"
#include "data/transforms/transforms.h"

/// DEIMv2's CopyBlend: objects of a batch are blended into pictures of the same batch at other places, so that a
/// picture has more to match. Source: Intellindust-AI-Lab/DEIMv2, engine/data/dataloader.py, commit 0fff8d4.
namespace rtdetr {

/// A rectangle of whole pixels, cut from one picture of the batch and blended into another.
struct BlendPatch {
  std::int64_t from = 0;                             ///< position of the picture it is cut from
  std::int64_t label = 0;                            ///< of the object
  std::int64_t source_x = 0, source_y = 0;           ///< where it is cut
  std::int64_t x = 0, y = 0, width = 0, height = 0;  ///< where it goes: the object and what is around it
  std::array<float, 4> box_cxcywh{};                 ///< the object alone, fraction of the picture it goes to
};

/// What becomes of one batch: the patches of each picture, in the order in which they are blended.
struct BlendPlan {
  double share = 1;  ///< of the picture that is there
  std::vector<std::vector<BlendPatch>> patches;
};

/// Draws three objects for each picture, different ones, of all whose box has at least 100 pixels, and a place for each
/// where it is whole. Around an object U(0.1, 0.25) of its sides goes along, as far as both pictures have it. A patch
/// leaves U(0.45, 0.55) of what is there, the same for the whole batch.
/// @return  no patches where nothing is large enough
BlendPlan draw_blend_plan(const Batch& batch, Random& random);

/// Blends the patches into the pictures, all of them cut from the batch as it came, and adds their boxes to the
/// targets.
void blend_patches(const BlendPlan& plan, Batch& batch);

/// Whether a batch that is not mixed has its objects blended: with probability copy_blend where mosaic and mixup may
/// be. Takes no draw when it is off.
bool chance_of_copy_blend(const TransformOptions& options, std::int64_t epoch, Random& random);

}  // namespace rtdetr
