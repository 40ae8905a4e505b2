#include "models/graph/model_parts.h"

#include <string_view>
#include <utility>

namespace rtdetr {
namespace {

ModelPart part_of_head(const std::string& key) {
  constexpr std::pair<const char*, ModelPart> kNames[] = {{"denoising_class_embed", ModelPart::kDenoising},
                                                          {"score_head", ModelPart::kScoreHeads},
                                                          {"bbox_head", ModelPart::kBoxHeads},
                                                          {"decoder.layers.", ModelPart::kDecoderLayers},
                                                          {"input_proj.", ModelPart::kDecoderInput}};
  for (const auto& [name, part] : kNames)
    if (key.find(name) != std::string::npos) return part;
  return ModelPart::kQueries;
}

}  // namespace

ModelPart ModelParts::of(const std::string& key) const {
  for (const DetectionModelImpl::Row& row : rows_) {
    if (!key.starts_with(row.path + ".")) continue;
    if (row.part == "backbone") return ModelPart::kBackbone;
    return row.part == "encoder" ? ModelPart::kEncoder : part_of_head(key);
  }
  if (key.starts_with("backbone.")) return ModelPart::kBackbone;
  if (key.starts_with("encoder.")) return ModelPart::kEncoder;
  return key.starts_with("decoder.") ? part_of_head(key) : ModelPart::kElsewhere;
}

}  // namespace rtdetr
