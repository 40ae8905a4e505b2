#include "models/weights/key_tables.h"

#include "models/weights/key_table_parts.h"

/// Detectors: Hugging Face's names, and the official ones of both versions.
namespace rtdetr {
namespace {

using Rules = std::vector<KeyRule>;

/// Its norms are frozen and count no batches.
Rules backbone_rules() {
  const std::string stem = "model.backbone.model.embedder.embedder.";
  const std::string theirs = "model.backbone.model.encoder.stages.{s}.layers.{b}.";
  const std::string ours = "backbone.res_layers.{s}.blocks.{b}.";
  return {
      {"", "backbone.{*}.num_batches_tracked"},
      {stem + "{i}.convolution.weight", "backbone.conv1.conv1_{i+1}.conv.weight"},
      {stem + "{i}.normalization.{N}", "backbone.conv1.conv1_{i+1}.norm.{N}"},
      {theirs + "layer.0.convolution.weight", ours + "branch2a.conv.weight"},
      {theirs + "layer.0.normalization.{N}", ours + "branch2a.norm.{N}"},
      {theirs + "layer.1.convolution.weight", ours + "branch2b.conv.weight"},
      {theirs + "layer.1.normalization.{N}", ours + "branch2b.norm.{N}"},
      {theirs + "layer.2.convolution.weight", ours + "branch2c.conv.weight"},
      {theirs + "layer.2.normalization.{N}", ours + "branch2c.norm.{N}"},
      {theirs + "shortcut.convolution.weight", ours + "short.conv.weight"},
      {theirs + "shortcut.normalization.{N}", ours + "short.norm.{N}"},
      {theirs + "shortcut.1.convolution.weight", ours + "short.conv.conv.weight"},
      {theirs + "shortcut.1.normalization.{N}", ours + "short.conv.norm.{N}"},
  };
}

/// First conversions of 2024 left the backbone to timm.
Rules timm_backbone_rules() {
  Rules rules = timm_resnetd_layout().rules;
  for (KeyRule& rule : rules) rule.theirs = "model.backbone.model._backbone." + rule.theirs;
  return rules;
}

Rules encoder_rules(OfficialVersion version) {
  const bool v2 = version == OfficialVersion::kV2;
  const std::string theirs = "model.encoder.encoder.{e}.layers.{i}.", ours = "encoder.encoder.{e}.layers.{i}.";
  Rules rules = hugging_face_layer_rules(theirs, ours);
  append_rules(rules, {
                          {theirs + "final_layer_norm.{P}", ours + "norm2.{P}"},
                          {"model.encoder_input_proj.{i}.0.weight",
                           v2 ? "encoder.input_proj.{i}.conv.weight" : "encoder.input_proj.{i}.0.weight"},
                          {"model.encoder_input_proj.{i}.1.{N}",
                           v2 ? "encoder.input_proj.{i}.norm.{N}" : "encoder.input_proj.{i}.1.{N}"},
                          {"model.encoder.{lateral_convs|downsample_convs}.{i}.{conv|norm}.{N}",
                           "encoder.{lateral_convs|downsample_convs}.{i}.{conv|norm}.{N}"},
                          {"model.encoder.{fpn_blocks|pan_blocks}.{i}.conv{k}.{conv|norm}.{N}",
                           "encoder.{fpn_blocks|pan_blocks}.{i}.conv{k}.{conv|norm}.{N}"},
                          {"model.encoder.{fpn_blocks|pan_blocks}.{i}.bottlenecks.{j}.conv{k}.{conv|norm}.{N}",
                           "encoder.{fpn_blocks|pan_blocks}.{i}.bottlenecks.{j}.conv{k}.{conv|norm}.{N}"},
                      });
  return rules;
}

Rules decoder_layer_rules(OfficialVersion version) {
  const std::string theirs = "model.decoder.layers.{i}.", ours = "decoder.decoder.layers.{i}.";
  const std::string scale = version == OfficialVersion::kV2 ? ours + "cross_attn.num_points_scale" : "";
  Rules rules = hugging_face_layer_rules(theirs, ours);
  append_rules(rules, {
                          {theirs + "encoder_attn.{sampling_offsets|attention_weights|value_proj|output_proj}.{P}",
                           ours + "cross_attn.{sampling_offsets|attention_weights|value_proj|output_proj}.{P}"},
                          {theirs + "encoder_attn.n_points_scale", scale},
                          {theirs + "encoder_attn_layer_norm.{P}", ours + "norm2.{P}"},
                          {theirs + "final_layer_norm.{P}", ours + "norm3.{P}"},
                      });
  return rules;
}

/// Every decoder layer has heads of its own.
Rules head_rules(OfficialVersion version) {
  const bool v2 = version == OfficialVersion::kV2;
  return {
      {"", "decoder.{anchors|valid_mask}"},
      {"model.decoder_input_proj.{i}.0.weight", "decoder.input_proj.{i}.conv.weight"},
      {"model.decoder_input_proj.{i}.1.{N}", "decoder.input_proj.{i}.norm.{N}"},
      {"model.decoder.class_embed.{i}.{P}", "decoder.dec_score_head.{i}.{P}"},
      {"model.decoder.bbox_embed.{i}.layers.{j}.{P}", "decoder.dec_bbox_head.{i}.layers.{j}.{P}"},
      {"model.decoder.query_pos_head.layers.{j}.{P}", "decoder.query_pos_head.layers.{j}.{P}"},
      {"model.denoising_class_embed.weight", "decoder.denoising_class_embed.weight"},
      {"model.weight_embedding.weight", "decoder.tgt_embed.weight"},
      {"model.enc_output.0.{P}", v2 ? "decoder.enc_output.proj.{P}" : "decoder.enc_output.0.{P}"},
      {"model.enc_output.1.{P}", v2 ? "decoder.enc_output.norm.{P}" : "decoder.enc_output.1.{P}"},
      {"model.enc_score_head.{P}", "decoder.enc_score_head.{P}"},
      {"model.enc_bbox_head.layers.{j}.{P}", "decoder.enc_bbox_head.layers.{j}.{P}"},
  };
}

KeyLayout make_hugging_face(OfficialVersion version) {
  KeyLayout layout{version == OfficialVersion::kV2 ? "Hugging Face RT-DETRv2" : "Hugging Face RT-DETR",
                   hugging_face_aliases(), backbone_rules()};
  layout.aliases.push_back({"model.{*}.mlp.{fc1|fc2}.{P}", "model.{*}.{fc1|fc2}.{P}"});
  append_rules(layout.rules, timm_backbone_rules());
  append_rules(layout.rules, encoder_rules(version));
  append_rules(layout.rules, decoder_layer_rules(version));
  append_rules(layout.rules, head_rules(version));
  return layout;
}

}  // namespace

void append_rules(Rules& rules, const Rules& more) { rules.insert(rules.end(), more.begin(), more.end()); }

Rules hugging_face_layer_rules(const std::string& theirs, const std::string& ours) {
  return {
      {theirs + "self_attn.q_proj.{P}", ours + "self_attn.in_proj_{P}", Third::kQueries},
      {theirs + "self_attn.k_proj.{P}", ours + "self_attn.in_proj_{P}", Third::kKeys},
      {theirs + "self_attn.v_proj.{P}", ours + "self_attn.in_proj_{P}", Third::kValues},
      {theirs + "self_attn.out_proj.{P}", ours + "self_attn.out_proj.{P}"},
      {theirs + "self_attn_layer_norm.{P}", ours + "norm1.{P}"},
      {theirs + "fc1.{P}", ours + "linear1.{P}"},
      {theirs + "fc2.{P}", ours + "linear2.{P}"},
  };
}

/// Those of 5.x in memory, and what 4.x has a second time outside the decoder.
std::vector<KeyAlias> hugging_face_aliases() {
  return {
      {"class_embed.{*}", "model.decoder.class_embed.{*}"},
      {"bbox_embed.{*}", "model.decoder.bbox_embed.{*}"},
      {"model.encoder.aifi.{*}", "model.encoder.encoder.{*}"},
      {"model.{*}.self_attn.o_proj.{P}", "model.{*}.self_attn.out_proj.{P}"},
  };
}

const KeyLayout& our_layout() {
  static const KeyLayout layout{"", {}, {{"decoder.{anchors|valid_mask}", ""}, {"{*}", "{*}"}}};
  return layout;
}

const KeyLayout& hugging_face_layout(OfficialVersion version) {
  static const KeyLayout v1 = make_hugging_face(OfficialVersion::kV1);
  static const KeyLayout v2 = make_hugging_face(OfficialVersion::kV2);
  return version == OfficialVersion::kV2 ? v2 : v1;
}

const KeyLayout& v1_beside_v2_layout() {
  static const KeyLayout layout{"official RT-DETR v1",
                                {},
                                {
                                    {"encoder.input_proj.{i}.0.{*}", "encoder.input_proj.{i}.conv.{*}"},
                                    {"encoder.input_proj.{i}.1.{*}", "encoder.input_proj.{i}.norm.{*}"},
                                    {"decoder.enc_output.0.{*}", "decoder.enc_output.proj.{*}"},
                                    {"decoder.enc_output.1.{*}", "decoder.enc_output.norm.{*}"},
                                    {"decoder.{anchors|valid_mask}", ""},
                                    {"", "decoder.{anchors|valid_mask}"},
                                    {"", "{*}.num_points_scale"},
                                    {"{*}", "{*}"},
                                }};
  return layout;
}

}  // namespace rtdetr
