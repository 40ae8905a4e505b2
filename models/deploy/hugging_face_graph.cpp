#include "models/deploy/hugging_face_graph.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/text.h"
#include "models/graph/graph_plan.h"
#include "models/graph/model_files.h"
#include "models/graph/model_mistakes.h"

/// That graph is known as rows: the numbers are read off the model's, the rows that these numbers stand for are made,
/// and whichever of the model's is another has no config.
namespace rtdetr {
namespace {

constexpr std::size_t kStages = 4, kFirstStage = 4, kTransformer = 11, kFirstFusion = 15;

std::string list_text(const std::vector<std::string>& rows) { return "  - " + join(rows, "\n  - ") + "\n"; }

std::string backbone_rows(const HuggingFaceNumbers& n) {
  const std::string norm = n.frozen_norms ? "frozen" : "batch", half = std::to_string(n.embedding / 2);
  const auto stem = [&](const std::string& out, int stride, int number) {
    return "[-1, 1, ConvNorm, [" + out + ", 3, " + std::to_string(stride) + ", relu, {norm: " + norm +
           "}], backbone.conv1.conv1_" + std::to_string(number) + "]";
  };
  std::vector<std::string> rows{stem(half, 2, 1), stem(half, 1, 2), stem(std::to_string(n.embedding), 1, 3),
                                "[-1, 1, nn.MaxPool2d, [3, 2, 1]]"};
  for (std::size_t stage = 0; stage < kStages; ++stage) {
    rows.push_back("[-1, " + std::to_string(n.depths[stage]) + ", PResNetStage, [" +
                   (n.bottleneck ? "bottleneck, " : "basic, ") + std::to_string(n.widths[stage]) + ", " +
                   (stage == 0 ? "1" : "2") + ", {norm: " + norm + "}], backbone.res_layers." + std::to_string(stage) +
                   "]");
  }
  return "backbone:\n" + list_text(rows);
}

std::string encoder_rows(const HuggingFaceNumbers& n, bool numbered) {
  const std::string width = std::to_string(n.encoder_width), keys = numbered ? ", {keys: numbered}" : "";
  const auto conv = [&](const std::string& from, const std::string& rest, const std::string& path) {
    return "[" + from + ", 1, ConvNorm, [" + width + ", " + rest + "], encoder." + path + "]";
  };
  const auto fusion = [&](const std::string& path) {
    return "[-1, 3, CSPRepLayer, [" + width + ", " + format_double(n.expansion) + "], encoder." + path + "]";
  };
  const std::string up = "[-1, 1, nn.Upsample, [None, 2, nearest]]";
  const auto joined = [](int other) { return "[[-1, " + std::to_string(other) + "], 1, Concat, [1]]"; };
  return list_text({conv("5", "1, 1, none" + keys, "input_proj.0"), conv("6", "1, 1, none" + keys, "input_proj.1"),
                    conv("7", "1, 1, none" + keys, "input_proj.2"),
                    "[-1, 1, TransformerEncoder, [" + std::to_string(n.encoder_hidden) + ", " +
                        std::to_string(n.encoder_heads) + "], encoder.encoder.0]",
                    conv("-1", "1, 1, silu", "lateral_convs.0"), up, joined(9), fusion("fpn_blocks.0"),
                    conv("-1", "1, 1, silu", "lateral_convs.1"), up, joined(8), fusion("fpn_blocks.1"),
                    conv("-1", "3, 2, silu", "downsample_convs.0"), joined(16), fusion("pan_blocks.0"),
                    conv("-1", "3, 2, silu", "downsample_convs.1"), joined(12), fusion("pan_blocks.1")});
}

/// The model that these numbers stand for; its decoder's own are not among them.
ModelSpec spec_of(const HuggingFaceNumbers& n, bool numbered) {
  return parse_model_spec("nc: 80\nnorm_eps: 1.0e-5\n" + backbone_rows(n) + "head:\n" + encoder_rows(n, numbered) +
                              list_text({"[[19, 22, 25], 1, RTDETRDecoder, [nc], decoder]"}),
                          "Hugging Face's graph");
}

GraphPlan plan_of(const ModelSpec& spec) {
  ModelMistakes mistakes(spec.origin);
  GraphPlan plan = plan_graph(spec, mistakes);
  mistakes.throw_if_any();
  return plan;
}

/// A row without what does not change what it computes.
std::string comparable(const PlannedRow& row) {
  Arguments args = row.context.args;
  if (row.entry->name == "ConvNorm" || row.entry->name == "PResNetStage") args.set("freeze", false);
  if (row.entry->name == "TransformerEncoder") args.set("position", std::string("official"));
  std::vector<std::string> inputs;
  for (const int input : row.inputs) inputs.push_back(std::to_string(input));
  return "[" + join(inputs, ", ") + "], " + std::to_string(row.context.repeats * row.outer_repeats) + ", " +
         row.entry->name + ", " + args.to_text() + ", " + row.path;
}

/// Numbers of rows that may be others than is thought: what does not fit is found by comparing.
HuggingFaceNumbers read_numbers(const GraphPlan& plan) {
  const auto row = [&](std::size_t index, const char* module) -> const PlannedRow* {
    return index < plan.rows.size() && plan.rows[index].entry->name == module ? &plan.rows[index] : nullptr;
  };
  HuggingFaceNumbers n;
  if (const PlannedRow* stem = row(2, "ConvNorm")) {
    n.embedding = stem->context.args.integer("out");
    n.frozen_norms = stem->context.args.text("norm") == "frozen";
  }
  for (std::size_t stage = 0; stage < kStages; ++stage) {
    const PlannedRow* at = row(kFirstStage + stage, "PResNetStage");
    n.widths.push_back(at ? at->context.args.integer("width") : 64);
    n.depths.push_back(at ? at->context.repeats : 1);
    if (at) n.bottleneck = at->context.args.text("block") == "bottleneck";
  }
  if (const PlannedRow* attention = row(kTransformer, "TransformerEncoder")) {
    n.encoder_width = attention->context.input().channels;
    n.encoder_hidden = attention->context.args.integer("hidden");
    n.encoder_heads = attention->context.args.integer("heads");
  }
  if (const PlannedRow* fusion = row(kFirstFusion, "CSPRepLayer")) n.expansion = fusion->context.args.number("e");
  return n;
}

void compare_rows(const GraphPlan& ours, const GraphPlan& theirs, std::vector<std::string>& obstacles) {
  for (std::size_t i = 0; i + 1 < theirs.rows.size(); ++i) {
    const std::string here = comparable(ours.rows[i]), there = comparable(theirs.rows[i]);
    if (here != there) obstacles.push_back("row " + std::to_string(i) + " is " + here + "; that graph has " + there);
  }
  if (ours.rows.back().inputs != theirs.rows.back().inputs)
    obstacles.emplace_back("its decoder reads other rows than 19, 22 and 25");
}

/// Theirs pools in a basic block's shortcut where the channels change, ours where the stride is 2, and every first
/// block of ours has a projection in it.
void check_widths(const HuggingFaceNumbers& n, std::vector<std::string>& obstacles) {
  if (n.bottleneck && n.embedding != 4 * n.widths.front()) return;
  bool pools_alike = n.embedding == n.widths.front();
  for (std::size_t i = 1; i < n.widths.size(); ++i) pools_alike = pools_alike && n.widths[i] != n.widths[i - 1];
  if (n.bottleneck || !pools_alike)
    obstacles.emplace_back(
        "its stages have widths for which shortcuts are pooled elsewhere there: the first stage of basic blocks must "
        "be as wide as the stem, and the others each of another width than the one before");
}

}  // namespace

HuggingFaceNumbers hugging_face_numbers(const DetectionModel& model, std::vector<std::string>& obstacles) {
  constexpr double kEps = 1e-5;
  const ModelSpec& spec = model->spec();
  const GraphPlan ours = plan_of(spec);
  const HuggingFaceNumbers numbers = read_numbers(ours);
  const auto numbered = [&] {
    return ours.rows.size() > 8 && ours.rows[8].entry->name == "ConvNorm" &&
           ours.rows[8].context.args.text("keys") == "numbered";
  };
  const ModelSpec like = spec_of(numbers, numbered());
  const GraphPlan theirs = plan_of(like);
  if (ours.rows.size() != theirs.rows.size()) {
    obstacles.push_back("its graph has " + std::to_string(ours.rows.size()) +
                        " rows, and that of an official model "
                        "with a ResNet " +
                        std::to_string(theirs.rows.size()) + "; format=official-pth may hold it");
    return numbers;
  }
  compare_rows(ours, theirs, obstacles);
  check_widths(numbers, obstacles);
  if (spec.batch_norm_eps != kEps)
    obstacles.push_back("norm_eps is " + format_double(spec.batch_norm_eps) + ", and 1e-5 in a backbone there");
  if (spec.channels != 3) obstacles.emplace_back("its pictures have other than 3 channels");
  if (!spec.mean.empty())
    obstacles.emplace_back("it normalises its pictures (mean, std), which a model does not there");
  return numbers;
}

}  // namespace rtdetr
