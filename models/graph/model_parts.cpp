#include "models/graph/model_parts.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace rtdetr {
namespace {

ModelPart part_of_head(const std::string& key) {
  constexpr std::pair<const char*, ModelPart> kNames[] = {{"denoising_class_embed", ModelPart::kDenoising},
                                                          {"label_enc.", ModelPart::kDenoising},
                                                          {"score_head", ModelPart::kScoreHeads},
                                                          {"class_embed.", ModelPart::kScoreHeads},
                                                          {"lqe_layers.", ModelPart::kScoreHeads},
                                                          {"bbox_head", ModelPart::kBoxHeads},
                                                          {"bbox_embed.", ModelPart::kBoxHeads},
                                                          {"cv2.", ModelPart::kBoxHeads},  // a YOLO's end
                                                          {"dfl.", ModelPart::kBoxHeads},
                                                          {"cv3.", ModelPart::kScoreHeads},
                                                          {"encoder.layers.", ModelPart::kEncoder},
                                                          {"level_embed", ModelPart::kEncoder},
                                                          {"decoder.layers.", ModelPart::kDecoderLayers},
                                                          {"decoder.norm.", ModelPart::kDecoderLayers},
                                                          {"input_proj.", ModelPart::kDecoderInput}};
  for (const auto& [name, part] : kNames)
    if (key.find(name) != std::string::npos) return part;
  return ModelPart::kQueries;
}

}  // namespace

ModelPart ModelParts::of(const std::string& key) const {
  for (const DetectionModelImpl::Row& row : rows_) {
    const auto holds = [&](const std::string& place) { return key.starts_with(place + "."); };
    if (!std::any_of(row.places.begin(), row.places.end(), holds)) continue;
    if (row.part == "backbone") return ModelPart::kBackbone;
    return row.part == "encoder" ? ModelPart::kEncoder : part_of_head(key);
  }
  if (key.starts_with("backbone.")) return ModelPart::kBackbone;
  if (key.starts_with("encoder.")) return ModelPart::kEncoder;
  return key.starts_with("decoder.") ? part_of_head(key) : ModelPart::kElsewhere;
}

}  // namespace rtdetr
