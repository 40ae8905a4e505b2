#include "models/weights/key_tables.h"

/// Ultralytics' graph, whose keys are rows of a YAML: `model.{row}.…`. What other programs call by name is a row there.
namespace rtdetr {
namespace {

/// The rows of a model with HGNetv2.
struct GraphRows {
  std::vector<std::vector<int>> blocks;  ///< of each stage
  std::vector<int> downsample;           ///< before stages 1, 2, 3
  std::vector<int> input_proj;           ///< of the levels with stride 8, 16, 32
  int aifi = 0;
  std::vector<int> lateral_convs, downsample_convs, fpn_blocks, pan_blocks;  ///< two each
  int decoder = 0;
};

const GraphRows kRowsL{
    {{1}, {3}, {5, 6, 7}, {9}}, {2, 4, 8}, {19, 14, 10}, 11, {12, 17}, {22, 25}, {16, 21}, {24, 27}, 28};
const GraphRows kRowsX{{{1}, {3, 4}, {6, 7, 8, 9, 10}, {12, 13}},
                       {2, 5, 11},
                       {23, 18, 14},
                       15,
                       {16, 21},
                       {26, 29},
                       {20, 25},
                       {28, 31},
                       32};

std::string row_prefix(int row) { return "model." + std::to_string(row) + "."; }

void add_backbone(std::vector<KeyRule>& rules, const GraphRows& rows) {
  rules.push_back({"backbone.stem.{stem2a|stem2b}.conv.1.weight", "model.0.{stem2a|stem2b}.conv.weight"});
  rules.push_back({"backbone.stem.{stem1|stem2a|stem2b|stem3|stem4}.{conv|bn}.{N}",
                   "model.0.{stem1|stem2a|stem2b|stem3|stem4}.{conv|bn}.{N}"});
  for (std::size_t stage = 0; stage < rows.blocks.size(); ++stage) {
    const std::string theirs = "backbone.stages." + std::to_string(stage) + ".";
    if (stage > 0)
      rules.push_back({theirs + "downsample.{conv|bn}.{N}", row_prefix(rows.downsample[stage - 1]) + "{conv|bn}.{N}"});
    for (std::size_t i = 0; i < rows.blocks[stage].size(); ++i) {
      const std::string block = theirs + "blocks." + std::to_string(i) + ".", row = row_prefix(rows.blocks[stage][i]);
      rules.push_back({block + "layers.{i}.{conv1|conv2}.{conv|bn}.{N}", row + "m.{i}.{conv1|conv2}.{conv|bn}.{N}"});
      rules.push_back({block + "layers.{i}.{conv|bn}.{N}", row + "m.{i}.{conv|bn}.{N}"});
      rules.push_back({block + "aggregation_squeeze_conv.{conv|bn}.{N}", row + "sc.{conv|bn}.{N}"});
      rules.push_back({block + "aggregation_excitation_conv.{conv|bn}.{N}", row + "ec.{conv|bn}.{N}"});
    }
  }
}

/// A convolution and its norm: `conv.weight`, `norm.…` there, `conv.weight`, `bn.…` here.
void add_convolution(std::vector<KeyRule>& rules, const std::string& theirs, const std::string& ours) {
  rules.push_back({theirs + "conv.weight", ours + "conv.weight"});
  rules.push_back({theirs + "norm.{N}", ours + "bn.{N}"});
}

void add_encoder(std::vector<KeyRule>& rules, const GraphRows& rows) {
  const std::string layer = "encoder.encoder.0.layers.0.", aifi = row_prefix(rows.aifi);
  rules.push_back({layer + "self_attn.{*}", aifi + "ma.{*}"});
  rules.push_back({layer + "linear{k}.{P}", aifi + "fc{k}.{P}"});
  rules.push_back({layer + "norm{k}.{P}", aifi + "norm{k}.{P}"});
  for (std::size_t i = 0; i < rows.input_proj.size(); ++i)
    add_convolution(rules, "encoder.input_proj." + std::to_string(i) + ".", row_prefix(rows.input_proj[i]));
  for (std::size_t i = 0; i < rows.lateral_convs.size(); ++i) {
    const std::string at = std::to_string(i) + ".";
    add_convolution(rules, "encoder.lateral_convs." + at, row_prefix(rows.lateral_convs[i]));
    add_convolution(rules, "encoder.downsample_convs." + at, row_prefix(rows.downsample_convs[i]));
    for (const auto& [blocks, row] : {std::pair{"encoder.fpn_blocks.", row_prefix(rows.fpn_blocks[i])},
                                      std::pair{"encoder.pan_blocks.", row_prefix(rows.pan_blocks[i])}}) {
      add_convolution(rules, blocks + at + "conv{k}.", row + "cv{k}.");
      add_convolution(rules, blocks + at + "bottlenecks.{j}.conv{k}.", row + "m.{j}.conv{k}.");
    }
  }
}

void add_decoder(std::vector<KeyRule>& rules, const GraphRows& rows) {
  const std::string row = row_prefix(rows.decoder);
  const std::string same =
      "{decoder|query_pos_head|enc_score_head|enc_bbox_head|dec_score_head|dec_bbox_head|denoising_class_embed}.{*}";
  rules.push_back({"decoder.input_proj.{i}.conv.weight", row + "input_proj.{i}.0.weight"});
  rules.push_back({"decoder.input_proj.{i}.norm.{N}", row + "input_proj.{i}.1.{N}"});
  rules.push_back({"decoder.enc_output.proj.{P}", row + "enc_output.0.{P}"});
  rules.push_back({"decoder.enc_output.norm.{P}", row + "enc_output.1.{P}"});
  rules.push_back({"{*}.num_points_scale", ""});
  rules.push_back({"decoder.{anchors|valid_mask}", ""});
  rules.push_back({"decoder." + same, row + same});
}

/// v1's names are read as well.
std::vector<KeyAlias> names_of_v1() {
  return {
      {"encoder.input_proj.{i}.0.{*}", "encoder.input_proj.{i}.conv.{*}"},
      {"encoder.input_proj.{i}.1.{*}", "encoder.input_proj.{i}.norm.{*}"},
      {"decoder.enc_output.0.{P}", "decoder.enc_output.proj.{P}"},
      {"decoder.enc_output.1.{P}", "decoder.enc_output.norm.{P}"},
  };
}

KeyLayout make_graph_layout(const std::string& name, const GraphRows& rows) {
  KeyLayout layout{name, names_of_v1(), {}};
  add_backbone(layout.rules, rows);
  add_encoder(layout.rules, rows);
  add_decoder(layout.rules, rows);
  return layout;
}

}  // namespace

const KeyLayout& hgnetv2_to_ultralytics_layout(UltralyticsSize size) {
  static const KeyLayout l = make_graph_layout("official RT-DETRv2 HGNetv2-L", kRowsL);
  static const KeyLayout x = make_graph_layout("official RT-DETRv2 HGNetv2-X", kRowsX);
  return size == UltralyticsSize::kX ? x : l;
}

const KeyLayout& torchvision_to_ultralytics_layout() {
  const std::string theirs = "layer{s}.{b}.", ours = "model.{s}.layer.{b}.";
  static const KeyLayout layout{"torchvision",
                                {},
                                {
                                    {"conv1.weight", "model.0.layer.0.conv.weight"},
                                    {"bn1.{N}", "model.0.layer.0.bn.{N}"},
                                    {theirs + "conv{k}.weight", ours + "cv{k}.conv.weight"},
                                    {theirs + "bn{k}.{N}", ours + "cv{k}.bn.{N}"},
                                    {theirs + "downsample.0.weight", ours + "shortcut.0.conv.weight"},
                                    {theirs + "downsample.1.{N}", ours + "shortcut.0.bn.{N}"},
                                    {"fc.{*}", ""},
                                }};
  return layout;
}

}  // namespace rtdetr
