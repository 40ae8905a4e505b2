#include "models/weights/official_architecture.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/yaml_writer.h"
#include "models/graph/model_files.h"
#include "models/weights/architecture.h"
#include "models/weights/dfine_architecture.h"
#include "models/weights/official_rows.h"
#include "models/weights/weight_reading.h"
#include "models/weights/zoo.h"

/// A YAML of the same family is taken, and every number in it that weights show is set to what they show. If that is
/// one of the zoo's models, it is that model.
namespace rtdetr {
namespace {

constexpr std::int64_t kUsualQueries = 300, kUsualHeads = 8;

std::string base_model(const OfficialShapes& shapes) {
  const bool v1 = shapes.has("encoder.input_proj.0.0.weight");
  const std::string family = v1 ? "rtdetr_" : "rtdetrv2_";
  if (shapes.has("backbone.conv1.conv1_1.conv.weight"))
    return family + (shapes.has("backbone.res_layers.0.blocks.0.branch2c.conv.weight") ? "r50vd" : "r18vd");
  if (!v1 && shapes.has("backbone.stem.stem1.conv.weight")) {
    switch (shapes.rows("backbone.stem.stem4.conv.weight")) {
      case 48:
        return "rtdetrv2_hgnetv2_l";
      case 64:
        return "rtdetrv2_hgnetv2_x";
      case 96:
        return "rtdetrv2_hgnetv2_h";
      default:
        break;
    }
  }
  shapes.refuse("its backbone is neither a ResNet-vd nor PP-HGNetV2-L, -X or -H");
}

/// "3-4-6-3"
std::string depths_of(const OfficialShapes& shapes) {
  std::vector<std::string> depths;
  for (int stage = 0; stage < 4; ++stage)
    depths.push_back(std::to_string(shapes.count("backbone.res_layers." + std::to_string(stage) + ".blocks.")));
  return join(depths, "-");
}

std::string backbone_words(const OfficialShapes& shapes) {
  if (shapes.has("backbone.stem.stem1.conv.weight")) return "PP-HGNetV2";
  const bool deep = shapes.has("backbone.res_layers.0.blocks.0.branch2c.conv.weight");
  const std::string depths = depths_of(shapes);
  if (depths == "2-2-2-2" && !deep) return "ResNet-18-vd";
  if (depths == "3-4-6-3") return deep ? "ResNet-50-vd" : "ResNet-34-vd";
  if (depths == "3-4-23-3" && deep) return "ResNet-101-vd";
  return std::string("a ResNet-vd of ") + (deep ? "bottlenecks" : "basic blocks") + " " + depths;
}

struct DecoderFacts {
  OfficialDecoder decoder;
  std::vector<std::string> assumed;
};

DecoderFacts decoder_of(const OfficialShapes& shapes, const OfficialHints& hints) {
  DecoderFacts facts;
  OfficialDecoder& d = facts.decoder;
  d = shapes.decoder(hints.decoder_heads);
  d.encoder_heads = hints.encoder_heads.value_or(kUsualHeads);
  const bool both = !d.heads_are_known && !hints.encoder_heads;
  if (!d.heads_are_known || !hints.encoder_heads)
    facts.assumed.push_back(std::string("8 attention heads") +
                            (both                 ? ""
                             : !d.heads_are_known ? " in its decoder"
                                                  : " in its encoder") +
                            ", as all published models have (model=)");
  if (d.queries == 0) {
    d.queries = hints.queries.value_or(kUsualQueries);
    if (!hints.queries) facts.assumed.push_back("300 queries (num_queries=)");
  }
  d.discrete = hints.discrete_sampling.value_or(false);
  return facts;
}

/// RT-DETRv2 as DEIM trains it is told by its perceptron of positions.
void refuse_deim(const OfficialShapes& shapes) {
  if (shapes.has("decoder.query_pos_head.layers.2.weight"))
    shapes.refuse(
        "its decoder is that of DEIM on RT-DETRv2, with three layers in its perceptron of positions and SiLU, which no "
        "model of ours has; DEIM on D-FINE is taken, and recipes of ours train RT-DETRv2 as DEIM does");
}

/// Where a twin of the model differs in what weights do not show.
void say_twins(const ModelSpec& spec, const OfficialHints& hints, std::vector<std::string>& assumed) {
  if (!hints.discrete_sampling && !find_model_file(spec.name + "_dsp").empty())
    assumed.push_back("sampling between cells; weights of the twin without look the same (model=" + spec.name +
                      "_dsp)");
  if (spec.text.find("eval_idx: 2") != std::string::npos)
    assumed.push_back("the third of its decoder layers is the last outside training, as published");
}

std::string layers_and_classes(const OfficialDecoder& decoder) {
  return ", " + counted(decoder.layers, "decoder layer") + ", " + words_for_classes(decoder.classes);
}

}  // namespace

OfficialArchitecture official_architecture(const ShapeMap& shape_map, const OfficialHints& hints,
                                           const std::string& origin) {
  const OfficialShapes shapes(shape_map, origin);
  if (is_dfine(shapes)) return dfine_architecture(shapes, classes_of(score_head_of(shape_map), origin), hints);
  refuse_deim(shapes);
  const std::string base = base_model(shapes);
  DecoderFacts facts = decoder_of(shapes, hints);
  const FrozenNorms norms = shapes.backbone_norms();
  OfficialArchitecture found;
  found.assumed = std::move(facts.assumed);
  found.words = std::string(base.starts_with("rtdetr_") ? "RT-DETR" : "RT-DETRv2") + " with " + backbone_words(shapes) +
                layers_and_classes(facts.decoder);
  const std::string yaml = write_yaml(official_yaml(zoo_model(base).text, shapes, {facts.decoder, norms}));
  std::vector<std::string> not_shown = {"nq", "freeze", "discrete_clamp"};
  if (!hints.hugging_face) not_shown.emplace_back("eval_idx");
  if (norms == FrozenNorms::kUnknown || hints.hugging_face) not_shown.emplace_back("norm");
  const auto zoo = zoo_model_like({yaml, base + ".yaml", not_shown});
  if (zoo) {
    found.spec = with_numbers(*zoo, facts.decoder);
    found.words += ": " + zoo->name + ".yaml";
    say_twins(found.spec, hints, found.assumed);
    return found;
  }
  found.spec = parse_model_spec(yaml, base + "_like");
  found.words += "; no model that comes along: its YAML is " + base + "'s with other numbers";
  return found;
}

}  // namespace rtdetr
