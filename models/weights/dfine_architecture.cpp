#include "models/weights/dfine_architecture.h"

#include "core/base/text.h"
#include "models/graph/resolve.h"
#include "models/weights/architecture.h"
#include "models/weights/zoo.h"

namespace rtdetr {
namespace {

struct DfineBackbone {
  const char* model;
  const char* words;
  int queries = 300;
};

/// Told by the stem's width, and B0 with two or three maps.
DfineBackbone backbone_of(const OfficialShapes& shapes) {
  if (!shapes.has("backbone.stages.0.blocks.0.aggregation.0.conv.weight"))
    shapes.refuse("its decoder is D-FINE's and its backbone is none of D-FINE's models");
  switch (shapes.rows("backbone.stem.stem4.conv.weight")) {
    case 16:
      return {shapes.count("encoder.input_proj.") == 2 ? "dfine-n" : "dfine-s", "PP-HGNetV2-B0"};
    case 32:
      return {"dfine-m", "PP-HGNetV2-B2"};
    case 48:
      return {"dfine-l", "PP-HGNetV2-B4"};
    case 64:
      return {"dfine-x", "PP-HGNetV2-B5"};
    default:
      shapes.refuse("its decoder is D-FINE's and its backbone is none of D-FINE's models");
  }
}

bool is_deimv2(const OfficialShapes& shapes) { return shapes.has("decoder.decoder.layers.0.swish_ffn.w12.weight"); }

/// Of the sizes with PP-HGNetV2, told by the number of maps and their width.
DfineBackbone deimv2_backbone_of(const OfficialShapes& shapes) {
  const char* const kNone =
      "its decoder is DEIMv2's and its backbone is none of those offered, PP-HGNetV2-B0 of deimv2-n and its first "
      "three "
      "stages of deimv2-pico, -femto and -atto; DEIMv2 s to x have vision transformers";
  if (!shapes.has("backbone.stages.0.blocks.0.aggregation.0.conv.weight")) shapes.refuse(kNone);
  if (shapes.count("encoder.input_proj.") == 2) return {"deimv2-n", "PP-HGNetV2-B0"};
  switch (shapes.rows("encoder.input_proj.0.conv.weight")) {
    case 64:
      return {"deimv2-atto", "three stages of PP-HGNetV2-B0", 100};
    case 96:
      return {"deimv2-femto", "three stages of PP-HGNetV2-B0", 150};
    case 112:
      return {"deimv2-pico", "three stages of PP-HGNetV2-B0", 200};
    default:
      shapes.refuse(kNone);
  }
}

}  // namespace

bool is_dfine(const OfficialShapes& shapes) { return shapes.has("decoder.pre_bbox_head.layers.0.weight"); }

OfficialArchitecture dfine_architecture(const OfficialShapes& shapes, std::int64_t classes) {
  const bool deimv2 = is_deimv2(shapes);
  const DfineBackbone backbone = deimv2 ? deimv2_backbone_of(shapes) : backbone_of(shapes);
  BuildOptions options;
  options.num_classes = classes;
  OfficialArchitecture found;
  found.spec = resolve_spec(zoo_model(backbone.model), options);
  found.words = std::string(deimv2 ? "DEIMv2 with " : "D-FINE with ") + backbone.words + ", " +
                counted(shapes.count("decoder.decoder.layers."), "decoder layer") + ", " + words_for_classes(classes) +
                ": " + backbone.model + ".yaml";
  found.assumed = {std::to_string(backbone.queries) + " queries (num_queries=)"};
  if (!deimv2)
    found.assumed.emplace_back(
        "D-FINE's activations; weights of DEIM look the same, whose YAML says act: silu, mlp_act: silu (model=)");
  return found;
}

}  // namespace rtdetr
