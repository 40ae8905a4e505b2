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

}  // namespace

bool is_dfine(const OfficialShapes& shapes) { return shapes.has("decoder.pre_bbox_head.layers.0.weight"); }

OfficialArchitecture dfine_architecture(const OfficialShapes& shapes, std::int64_t classes) {
  const DfineBackbone backbone = backbone_of(shapes);
  BuildOptions options;
  options.num_classes = classes;
  OfficialArchitecture found;
  found.spec = resolve_spec(zoo_model(backbone.model), options);
  found.words = std::string("D-FINE with ") + backbone.words + ", " +
                counted(shapes.count("decoder.decoder.layers."), "decoder layer") + ", " + words_for_classes(classes) +
                ": " + backbone.model + ".yaml";
  found.assumed = {"300 queries (num_queries=)",
                   "D-FINE's activations; weights of DEIM look the same, whose YAML says act: silu, mlp_act: silu "
                   "(model=)"};
  return found;
}

}  // namespace rtdetr
