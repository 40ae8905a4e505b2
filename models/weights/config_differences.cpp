#include "models/weights/config_differences.h"

#include <optional>

#include "core/base/error.h"
#include "core/base/text.h"
#include "models/graph/graph_plan.h"
#include "models/graph/model_mistakes.h"
#include "models/weights/hugging_face_config.h"

namespace rtdetr {
namespace {

void compare_heads(const char* field, const std::optional<std::int64_t>& said, std::int64_t here,
                   std::vector<std::string>& differences) {
  if (said && *said != here)
    differences.push_back(std::string(field) + " is " + std::to_string(*said) + ", and the model has " +
                          std::to_string(here));
}

}  // namespace

std::vector<std::string> config_differences(const OfficialHints& config, const ModelSpec& model) {
  std::vector<std::string> differences;
  ModelMistakes mistakes(model.origin);
  const GraphPlan plan = plan_graph(model, mistakes);
  mistakes.throw_if_any();
  for (const PlannedRow& row : plan.rows) {
    const Arguments& args = row.context.args;
    if (row.entry->name == "TransformerEncoder" || row.entry->name == "AIFI")
      compare_heads("encoder_attention_heads", config.encoder_heads, args.integer("heads"), differences);
    if (row.entry->name != "RTDETRDecoder") continue;
    compare_heads("decoder_attention_heads", config.decoder_heads, args.integer("nh"), differences);
    const std::string sampling = args.text("sampling");
    if (config.discrete_sampling && *config.discrete_sampling != (sampling == "discrete"))
      differences.push_back(std::string("decoder_method is ") + (*config.discrete_sampling ? "discrete" : "default") +
                            ", and the model's sampling is " + sampling);
  }
  return differences;
}

void refuse_config_differences(const OfficialHints& config, const ModelSpec& model, bool was_given,
                               const std::string& origin) {
  const std::vector<std::string> differences = config_differences(config, model);
  if (differences.empty()) return;
  throw CheckpointError(
      origin + ": its config.json describes another model than " + model.name + ": " + join(differences, "; ") +
      (was_given ? ". Change that in the model's YAML, or leave model= out: the model is then recognised"
                 : ". Give a YAML of that model which says so, model=YAML"));
}

std::string config_remark(const std::filesystem::path& weights, bool of_dfine, const ModelSpec& model) {
  std::error_code ignored;
  try {
    const bool is_folder = std::filesystem::is_directory(weights, ignored);
    const auto config = read_hugging_face_config(is_folder ? weights / "config.json" : weights, of_dfine);
    if (!config) return "";
    const std::vector<std::string> differences = config_differences(config->hints, model);
    if (differences.empty()) return "";
    return weights.string() + ": its config.json describes another model than this one: " + join(differences, "; ");
  } catch (const CheckpointError& error) {
    return error.what();
  }
}

}  // namespace rtdetr
