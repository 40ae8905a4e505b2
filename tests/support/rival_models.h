#pragma once

#include <string>

/// Detectors that are none of RT-DETR's, of the modules of their published models and small enough to learn in a test.
/// YOLOv8n is small as it is.
namespace rtdetr::test {

struct RivalSize {
  int encoder_layers = 2;  ///< of the transformer in front: DINO's encoder, half of the blocks of the plain one
  int decoder_layers = 3;
  int queries = 100, denoising = 100;
  double drop_path = 0;  ///< of the plain one's blocks
};
inline constexpr RivalSize kTinyRival{1, 2, 20, 10, 0.1};

inline std::string decoder_size(const RivalSize& size) {
  return "dim: 64, heads: 4, ffn: 128, queries: " + std::to_string(size.queries) +
         ", layers: " + std::to_string(size.decoder_layers) + ", denoising: " + std::to_string(size.denoising);
}

/// DINO: torchvision's ResNet, deformable attention over all maps and one more in the encoder, too, learnt queries.
inline std::string small_dino(const RivalSize& size = {}) {
  return R"(nc: 80
norm_eps: 1.0e-5
norm_momentum: 0.1
mean: [0.485, 0.456, 0.406]
std: [0.229, 0.224, 0.225]
backbone:
  - [-1, 1, ConvNorm, [32, 7, 2, relu, {keys: torchvision}], backbone.0.body.]
  - [-1, 1, nn.MaxPool2d, [3, 2, 1]]
  - [-1, 1, PResNetStage, [bottleneck, 16, 1, {variant: b, keys: torchvision}], backbone.0.body.layer1]
  - [-1, 1, PResNetStage, [bottleneck, 32, 2, {variant: b, keys: torchvision}], backbone.0.body.layer2]
  - [-1, 1, PResNetStage, [bottleneck, 32, 2, {variant: b, keys: torchvision}], backbone.0.body.layer3]
  - [-1, 1, PResNetStage, [bottleneck, 32, 2, {variant: b, keys: torchvision}], backbone.0.body.layer4]
head:
  - [[3, 4, 5], 1, RTDETRDecoder, [nc, {variant: dino, levels: 4, learnt_queries: true, encoder_ffn: 128, )" +
         decoder_size(size) + ", encoder_layers: " + std::to_string(size.encoder_layers) + "}], .]\n";
}

/// A plain vision transformer, every second block with windows, and ViTDet's pyramid; RT-DETRv2's decoder behind it.
inline std::string small_vit(const RivalSize& size = {}) {
  std::string global;
  for (int k = 0; k < size.encoder_layers; ++k) global += (k > 0 ? ", " : "") + std::to_string(2 * k + 1);
  return R"(nc: 80
norm_eps: 1.0e-5
norm_momentum: 0.1
mean: [0.485, 0.456, 0.406]
std: [0.229, 0.224, 0.225]
backbone:
  - [-1, 1, ViT, [96, )" +
         std::to_string(2 * size.encoder_layers) + ", 3, {window: 7, global: [" + global +
         "], grid: 12, pretrained_grid: 14, drop_path: " + std::to_string(size.drop_path) +
         R"(}], backbone.net]
  - [0, 1, PyramidLevel, [64, 2], backbone.simfp_3]
  - [0, 1, PyramidLevel, [64, 1], backbone.simfp_4]
  - [0, 1, PyramidLevel, [64, 0.5], backbone.simfp_5]
head:
  - [1, 1, ConvNorm, [64, 1, 1, none, {keys: numbered}], encoder.input_proj.0]
  - [2, 1, ConvNorm, [64, 1, 1, none, {keys: numbered}], encoder.input_proj.1]
  - [3, 1, ConvNorm, [64, 1, 1, none, {keys: numbered}], encoder.input_proj.2]
  - [-1, 1, TransformerEncoder, [128, 4, {position: row_column}], encoder.encoder.0]
  - [[4, 5, 7], 1, RTDETRDecoder, [nc, {variant: v2, )" +
         decoder_size(size) + "}], decoder]\n";
}

/// The same backbone with a fourth map below DINO, whose sides are multiples of 64.
inline std::string small_dino_vit(const RivalSize& size = {}) {
  const std::string vit = small_vit(size), dino = small_dino(size);
  std::string decoder = dino.substr(dino.find("head:"));
  decoder.replace(decoder.find("[3, 4, 5]"), 9, "[1, 2, 3, 4]");
  return vit.substr(0, vit.find("head:")) + "  - [3, 1, nn.MaxPool2d, [1, 2, 0]]\n" + decoder;
}

}  // namespace rtdetr::test
