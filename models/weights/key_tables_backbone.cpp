#include "models/weights/key_tables.h"

/// Backbones that were trained on ImageNet, as the programs store them that trained them.
namespace rtdetr {
namespace {

/// The blocks of a ResNet, which torchvision and timm call alike. Stages count from 1 there, from 0 here.
std::vector<KeyRule> resnet_block_rules() {
  const std::string theirs = "layer{s+1}.{b}.", ours = "backbone.res_layers.{s}.blocks.{b}.";
  return {
      {theirs + "conv1.weight", ours + "branch2a.conv.weight"}, {theirs + "bn1.{N}", ours + "branch2a.norm.{N}"},
      {theirs + "conv2.weight", ours + "branch2b.conv.weight"}, {theirs + "bn2.{N}", ours + "branch2b.norm.{N}"},
      {theirs + "conv3.weight", ours + "branch2c.conv.weight"}, {theirs + "bn3.{N}", ours + "branch2c.norm.{N}"},
  };
}

KeyLayout with_blocks(KeyLayout layout) {
  const std::vector<KeyRule> blocks = resnet_block_rules();
  layout.rules.insert(layout.rules.end(), blocks.begin(), blocks.end());
  return layout;
}

}  // namespace

const KeyLayout& storage_backbone_layout() {
  static const KeyLayout layout{
      "the official storage",
      {},
      {{"{conv1|res_layers|stem|stages}.{*}", "backbone.{conv1|res_layers|stem|stages}.{*}"}}};
  return layout;
}

const KeyLayout& torchvision_resnet_layout() {
  const std::string theirs = "layer{s+1}.{b}.downsample.", ours = "backbone.res_layers.{s}.blocks.{b}.short.";
  static const KeyLayout layout = with_blocks({"torchvision",
                                               {},
                                               {
                                                   {"conv1.weight", "backbone.conv1.conv1_1.conv.weight"},
                                                   {"bn1.{N}", "backbone.conv1.conv1_1.norm.{N}"},
                                                   {theirs + "0.weight", ours + "conv.weight"},
                                                   {theirs + "1.{N}", ours + "norm.{N}"},
                                                   {"fc.{*}", ""},
                                               }});
  return layout;
}

/// The names that DINO's files put in front of torchvision's.
const KeyLayout& torchvision_to_body_layout() {
  static const KeyLayout layout{"torchvision",
                                {},
                                {
                                    {"{conv1|bn1|layer1|layer2|layer3|layer4}.{*}",
                                     "backbone.0.body.{conv1|bn1|layer1|layer2|layer3|layer4}.{*}"},
                                    {"fc.{*}", ""},
                                }};
  return layout;
}

/// The first stage does not halve the picture; the shortcuts of the others pool before their convolution.
const KeyLayout& timm_resnetd_layout() {
  const std::string theirs = "layer{s+1}.{b}.downsample.", ours = "backbone.res_layers.{s}.blocks.{b}.short.";
  static const KeyLayout layout =
      with_blocks({"timm ResNet-D",
                   {},
                   {
                       {"conv1.0.weight", "backbone.conv1.conv1_1.conv.weight"},
                       {"conv1.1.{N}", "backbone.conv1.conv1_1.norm.{N}"},
                       {"conv1.3.weight", "backbone.conv1.conv1_2.conv.weight"},
                       {"conv1.4.{N}", "backbone.conv1.conv1_2.norm.{N}"},
                       {"conv1.6.weight", "backbone.conv1.conv1_3.conv.weight"},
                       {"bn1.{N}", "backbone.conv1.conv1_3.norm.{N}"},
                       {"layer1.{b}.downsample.1.weight", "backbone.res_layers.0.blocks.{b}.short.conv.weight"},
                       {"layer1.{b}.downsample.2.{N}", "backbone.res_layers.0.blocks.{b}.short.norm.{N}"},
                       {theirs + "1.weight", ours + "conv.conv.weight"},
                       {theirs + "2.{N}", ours + "conv.norm.{N}"},
                       {"fc.{*}", ""},
                   }});
  return layout;
}

/// Our stem2a and stem2b begin with a padding, so that their convolution is the second of its part.
const KeyLayout& timm_hgnetv2_layout() {
  const std::string block = "stages.{s}.blocks.{b}.";
  static const KeyLayout layout{
      "timm HGNetv2",
      {},
      {
          {"stem.{stem2a|stem2b}.conv.weight", "backbone.stem.{stem2a|stem2b}.conv.1.weight"},
          {"stem.{stem1|stem2a|stem2b|stem3|stem4}.{conv|bn}.{N}",
           "backbone.stem.{stem1|stem2a|stem2b|stem3|stem4}.{conv|bn}.{N}"},
          {"stages.{s}.downsample.{conv|bn}.{N}", "backbone.stages.{s}.downsample.{conv|bn}.{N}"},
          {block + "layers.{i}.{conv1|conv2}.{conv|bn}.{N}",
           "backbone." + block + "layers.{i}.{conv1|conv2}.{conv|bn}.{N}"},
          {block + "layers.{i}.{conv|bn}.{N}", "backbone." + block + "layers.{i}.{conv|bn}.{N}"},
          {block + "aggregation.0.{conv|bn}.{N}", "backbone." + block + "aggregation_squeeze_conv.{conv|bn}.{N}"},
          {block + "aggregation.1.{conv|bn}.{N}", "backbone." + block + "aggregation_excitation_conv.{conv|bn}.{N}"},
          {"head.{*}", ""},
      }};
  return layout;
}

/// The row for the class token stays in the table of positions, as in detectron2, and is not used.
const KeyLayout& plain_transformer_layout() {
  const std::string block = "blocks.{i}.", ours = "backbone.net.";
  static const KeyLayout layout{"plain vision transformer",
                                {},
                                {
                                    {"pos_embed", ours + "pos_embed"},
                                    {"patch_embed.proj.{P}", ours + "patch_embed.proj.{P}"},
                                    {block + "{norm1|norm2}.{P}", ours + block + "{norm1|norm2}.{P}"},
                                    {block + "attn.{qkv|proj}.{P}", ours + block + "attn.{qkv|proj}.{P}"},
                                    {block + "mlp.{fc1|fc2}.{P}", ours + block + "mlp.{fc1|fc2}.{P}"},
                                    {"cls_token", ""},
                                    {"mask_token", ""},
                                    {"{norm|fc_norm|head}.{P}", ""},
                                    {"decoder_{*}", ""},
                                }};
  return layout;
}

}  // namespace rtdetr
