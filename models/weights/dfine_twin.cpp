#include "models/weights/dfine_twin.h"

#include <algorithm>
#include <string_view>

#include "core/base/text.h"
#include "models/graph/graph_plan.h"
#include "models/graph/model_mistakes.h"

namespace rtdetr {
namespace {

enum class NameSays { kNothing, kDfine, kDeim };

/// DEIM's published files are called deim_dfine_hgnetv2_s_coco_120e.pth.
NameSays said_by(const std::string& name) {
  const std::string lower = lower_case(name);
  const auto has = [&](std::string_view word) { return lower.find(word) != std::string::npos; };
  if (has("deim")) return NameSays::kDeim;
  return has("dfine") || has("d-fine") || has("d_fine") ? NameSays::kDfine : NameSays::kNothing;
}

bool has_below(const WeightsFile& file, std::string_view prefix) {
  const auto below = [&](const std::string& name) { return name.starts_with(prefix); };
  return std::ranges::any_of(file.tensors(), below, &WeightTensor::name) ||
         std::ranges::any_of(file.metadata(), [&](const auto& entry) { return below(entry.first); });
}

}  // namespace

TwinClues twin_clues(const WeightsFile& file, const std::filesystem::path& path) {
  TwinClues clues{path.filename().string(), path.parent_path().filename().string()};
  if (has_below(file, "optimizer."))
    clues.program = has_below(file, "lr_scheduler.") ? TwinClues::Program::kDfine : TwinClues::Program::kDeim;
  return clues;
}

TwinVerdict tell_twin(const TwinClues& clues, FrozenNorms norms) {
  if (clues.program == TwinClues::Program::kDfine) return {false, "as its schedule is one of D-FINE's program"};
  if (const NameSays says = said_by(clues.file); says != NameSays::kNothing)
    return {says == NameSays::kDeim, "as the file's name says"};
  if (norms != FrozenNorms::kUnknown)
    return {norms == FrozenNorms::kBatch, norms == FrozenNorms::kBatch
                                              ? "as the norms of its backbone are trained, which D-FINE freezes"
                                              : "as the norms of its backbone are frozen, which DEIM trains"};
  if (clues.program == TwinClues::Program::kDeim)
    return {true, "as its training state lacks a schedule's, as DEIM's program writes it, which trains D-FINE, too"};
  if (const NameSays says = said_by(clues.folder); says != NameSays::kNothing)
    return {says == NameSays::kDeim, "as the folder's name says"};
  return {};
}

std::string twin_remark(const TwinVerdict& verdict, const ModelSpec& model) {
  if (verdict.why.empty()) return "";
  ModelMistakes mistakes(model.origin);
  const GraphPlan plan = plan_graph(model, mistakes);
  mistakes.throw_if_any();
  for (const PlannedRow& row : plan.rows) {
    const Arguments& args = row.context.args;
    if (row.entry->name != "RTDETRDecoder" || args.text("variant") != "dfine") continue;
    const char* const wanted = verdict.deim ? "silu" : "relu";
    for (const char* const name : {"act", "mlp_act"})
      if (args.text(name) != wanted)
        return std::string("they look like ") + (verdict.deim ? "DEIM's" : "D-FINE's") + ", " + verdict.why +
               ", whose decoder has " + name + ": " + wanted + ", and the model's has " + name + ": " + args.text(name);
  }
  return "";
}

}  // namespace rtdetr
