#pragma once

#include "core/base/cpp20.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/weights/weights_file.h"
#include "models/weights/key_rules.h"
#include "models/weights/weight_parts.h"

/// A part of another program's file with its names read in one way, and what names and shapes alone tell then.
namespace rtdetr {

struct WeightReading {
  WeightPart part{};
  std::string layout{};     ///< whose names they are, "Hugging Face RT-DETR"; "" = the model's own
  KeyPlan plan{};           ///< which of them make which of the model's
  std::size_t way = 0;      ///< of those that best_reading tried
  std::ptrdiff_t fit = -1;  ///< how many of the wanted names it gives; −1 for a file without tensors
};

/// A way to read names.
struct ReadingWay {
  std::string layout;
  std::function<KeyPlan(const std::vector<std::string>& names)> plan;
};

/// Of all parts of the file, the best first, and all ways the first pair that gives most of what is wanted.
/// @param is_wanted  of a name of the model's
/// @throws CheckpointError  as plan_keys
WeightReading best_reading(const WeightsFile& file, const std::vector<ReadingWay>& ways,
                           const std::function<bool(const std::string&)>& is_wanted);

/// Tensors' shapes by name: what an architecture is recognised by.
using ShapeMap = std::map<std::string, std::vector<std::int64_t>>;
/// Under our keys. @throws CheckpointError  for parts of one tensor that do not fit
ShapeMap shapes_of(const WeightReading& reading, const std::string& origin);

/// Norms are folded into convolutions: these have the bias that folding gives them, and there are next to no norms.
bool is_fused(const ShapeMap& shapes);

/// The tensor by which a detector's classes are counted: the score head of an encoder, RT-DETR's or DINO's,
/// [classes, width], or of a YOLO head's finest map, [classes, width, 1, 1].
struct ScoreHead {
  std::string key;  ///< empty: there is none
  std::vector<std::int64_t> shape;
};
/// How its names end.
inline constexpr std::string_view kEncoderScores = "enc_score_head.weight",
                                  kDinoScores = "transformer.enc_out_class_embed.weight",
                                  kCellScores = ".cv3.0.2.weight";
ScoreHead score_head_of(const ShapeMap& shapes);
/// @throws CheckpointError  for a shape that no model of ours can have
std::int64_t classes_of(const ScoreHead& scores, const std::string& origin);

}  // namespace rtdetr
