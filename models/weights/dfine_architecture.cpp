#include "models/weights/dfine_architecture.h"

#include "core/base/text.h"
#include "models/graph/resolve.h"
#include "models/weights/architecture.h"
#include "models/weights/zoo.h"

namespace rtdetr {
namespace {

struct DfineModel {
  std::string name, backbone;
  std::string family = "D-FINE";
  int queries = 300;
  bool freezes_norms = false;  ///< D-FINE's of this size, and not DEIM's
};

/// Told by the stem's width, and B0 with two or three maps.
DfineModel dfine_of(const OfficialShapes& shapes) {
  if (!shapes.has("backbone.stages.0.blocks.0.aggregation.0.conv.weight"))
    shapes.refuse("its decoder is D-FINE's and its backbone is none of D-FINE's models");
  switch (shapes.rows("backbone.stem.stem4.conv.weight")) {
    case 16:
      return {shapes.count("encoder.input_proj.") == 2 ? "dfine-n" : "dfine-s", "PP-HGNetV2-B0"};
    case 32:
      return {"dfine-m", "PP-HGNetV2-B2"};
    case 48:
      return {.name = "dfine-l", .backbone = "PP-HGNetV2-B4", .freezes_norms = true};
    case 64:
      return {.name = "dfine-x", .backbone = "PP-HGNetV2-B5", .freezes_norms = true};
    default:
      shapes.refuse("its decoder is D-FINE's and its backbone is none of D-FINE's models");
  }
}

/// DEIM's model of that size if the clues say so; which of the two it was taken for is always said.
void settle_twin(DfineModel& model, const OfficialShapes& shapes, const TwinClues& clues,
                 std::vector<std::string>& assumed) {
  const std::string dfine = model.name, deim = "deim" + dfine.substr(dfine.find('-'));
  const TwinVerdict verdict = tell_twin(clues, model.freezes_norms ? shapes.backbone_norms() : FrozenNorms::kUnknown);
  if (verdict.deim) {
    model.name = deim;
    model.family = "DEIM on D-FINE";
  }
  const std::string why = verdict.why.empty() ? "for nothing in the file or its name tells" : verdict.why;
  assumed.push_back((verdict.deim ? "DEIM's activations, " : "D-FINE's activations, ") + why + "; weights of " +
                    (verdict.deim ? "D-FINE" : "DEIM") + " look the same (model=" + (verdict.deim ? dfine : deim) +
                    ")");
}

bool is_deimv2(const OfficialShapes& shapes) { return shapes.has("decoder.decoder.layers.0.swish_ffn.w12.weight"); }

/// Of the sizes with PP-HGNetV2, told by the number of maps and their width.
DfineModel deimv2_of(const OfficialShapes& shapes) {
  const char* const kNone =
      "its decoder is DEIMv2's and its backbone is none of those offered, PP-HGNetV2-B0 of deimv2-n and its first "
      "three stages of deimv2-pico, -femto and -atto; DEIMv2 s to x have vision transformers";
  if (!shapes.has("backbone.stages.0.blocks.0.aggregation.0.conv.weight")) shapes.refuse(kNone);
  if (shapes.count("encoder.input_proj.") == 2) return {"deimv2-n", "PP-HGNetV2-B0", "DEIMv2"};
  switch (shapes.rows("encoder.input_proj.0.conv.weight")) {
    case 64:
      return {"deimv2-atto", "three stages of PP-HGNetV2-B0", "DEIMv2", 100};
    case 96:
      return {"deimv2-femto", "three stages of PP-HGNetV2-B0", "DEIMv2", 150};
    case 112:
      return {"deimv2-pico", "three stages of PP-HGNetV2-B0", "DEIMv2", 200};
    default:
      shapes.refuse(kNone);
  }
}

}  // namespace

bool is_dfine(const OfficialShapes& shapes) { return shapes.has("decoder.pre_bbox_head.layers.0.weight"); }

OfficialArchitecture dfine_architecture(const OfficialShapes& shapes, std::int64_t classes,
                                        const OfficialHints& hints) {
  const bool deimv2 = is_deimv2(shapes);
  DfineModel model = deimv2 ? deimv2_of(shapes) : dfine_of(shapes);
  std::vector<std::string> assumed;
  if (!hints.queries) assumed.push_back(std::to_string(model.queries) + " queries (num_queries=)");
  if (!deimv2 && !hints.hugging_face) settle_twin(model, shapes, hints.twins, assumed);
  BuildOptions options;
  options.num_classes = classes;
  if (hints.queries && *hints.queries != model.queries) options.num_queries = hints.queries;
  OfficialArchitecture found;
  found.spec = resolve_spec(zoo_model(model.name), options);
  found.words = model.family + " with " + model.backbone + ", " +
                counted(shapes.count("decoder.decoder.layers."), "decoder layer") + ", " + words_for_classes(classes) +
                ": " + model.name + ".yaml";
  found.assumed = std::move(assumed);
  return found;
}

}  // namespace rtdetr
