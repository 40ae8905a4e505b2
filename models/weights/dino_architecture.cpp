#include "models/weights/dino_architecture.h"

#include "core/base/error.h"
#include "models/graph/resolve.h"
#include "models/weights/zoo.h"

namespace rtdetr {
namespace {

/// What this DINO has of DINO-4scale with ResNet-50 and not, by names; nullptr: it is one.
const char* other_than_ours(const ShapeMap& shapes) {
  const auto has = [&](const char* key) { return shapes.contains(key); };
  if (!has("transformer.tgt_embed.weight") || !has("transformer.decoder.norm.weight"))
    return "its transformer has not all that DINO's has";
  if (!has("input_proj.3.0.weight") || has("input_proj.4.0.weight")) return "it works on another number of maps than 4";
  if (!has("backbone.0.body.layer3.5.conv3.weight") || has("backbone.0.body.layer3.6.conv3.weight"))
    return "its backbone is not ResNet-50";
  if (!has("transformer.encoder.layers.5.linear1.weight") || has("transformer.encoder.layers.6.linear1.weight") ||
      !has("transformer.decoder.layers.5.linear1.weight") || has("transformer.decoder.layers.6.linear1.weight"))
    return "its encoder or its decoder has another number of layers than 6";
  return nullptr;
}

}  // namespace

Architecture dino_architecture(const ShapeMap& shapes, const std::string& origin) {
  constexpr std::int64_t kUsualQueries = 900;
  if (const char* other = other_than_ours(shapes))
    throw CheckpointError(origin + ": weights of a DINO, but " + other +
                          "; what comes along is DINO-4scale with ResNet-50 (dino_r50_4scale): give a YAML that fits, "
                          "model=YAML");
  const auto& queries = shapes.at("transformer.tgt_embed.weight");
  BuildOptions options;
  options.num_classes = classes_of(score_head_of(shapes), origin);
  if (!queries.empty() && queries[0] != kUsualQueries) options.num_queries = queries[0];
  Architecture found;
  found.spec = resolve_spec(zoo_model("dino_r50_4scale"), options);
  found.sentence = "DINO-4scale with ResNet-50, 6 decoder layers, " + words_for_classes(found.spec.num_classes) +
                   ": dino_r50_4scale.yaml";
  return found;
}

}  // namespace rtdetr
