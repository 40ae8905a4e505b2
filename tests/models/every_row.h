#pragma once

#include <string>
#include <vector>

namespace rtdetr::test {

/// Every module that a row can name, in its variants: rows that read a map of 8 channels.
inline std::vector<std::string> every_row() {
  return {"[-1, 1, Conv, [6, 3, 2]]",
          "[-1, 1, Conv, [8, 3, 1, None, 2, 2]]",
          "[-1, 1, Conv, [4, 1, 1, 0, 1, 1, False]]",
          "[-1, 2, Conv, [8, 1, 1]]",
          "[-1, 1, DWConv, [8, 5, 2]]",
          "[-1, 1, ConvNorm, [6, 3, 2, silu]]",
          "[-1, 1, ConvNorm, [8, 3, 1, gelu]]",
          "[-1, 1, ConvNorm, [8, 1, 1, leaky_relu]]",
          "[-1, 1, ConvNorm, [8, 1, 1, hardswish, {g: 2, norm: frozen, keys: numbered}]]",
          "[-1, 1, RepConv, [8, 3, 1, 1, 2, True, True]]",
          "[-1, 1, RepConv, [6, 3, 2]]",
          "[-1, 2, RepC3, [8]]",
          "[-1, 2, RepC3, [6, 0.5]]",
          "[-1, 2, CSPRepLayer, [8, 0.5]]",
          "[-1, 2, C2f, [8, True]]",
          "[-1, 1, C2f, [6]]",
          "[-1, 1, Bottleneck, [8]]",
          "[-1, 1, Bottleneck, [6, False, 2]]",
          "[-1, 1, SPPF, [6, 5]]",
          "[-1, 1, HGStem, [4, 6]]",
          "[-1, 1, HGStem, [4, 6, {lab: true}]]",
          "[-1, 3, HGBlock, [4, 8, 3, False, True]]",
          "[-1, 2, HGBlock, [4, 6, 5, True]]",
          "[-1, 2, HGBlock, [4, 8, 3, False, True, silu, {lab: true, keys: dfine}]]",
          "[-1, 2, HGBlock, [4, 6, 5, True, False, relu, {lab: true, keys: dfine, norm: frozen}]]",
          "[-1, 2, RepNCSPELAN4, [6, 10, 3]]",
          "[-1, 2, RepNCSPELAN4, [6, 10, 3, silu, {csp: split}]]",
          "[-1, 1, SCDown, [6, 3, 2]]",
          "[-1, 1, AvgPoolConv, [6, 3, 2]]",
          "[-1, 1, GlobalFusion, [6]]",
          "[-1, 1, LightConv, [6, 3]]",
          "[-1, 2, PResNetStage, [basic, 8, 1]]",
          "[-1, 2, PResNetStage, [basic, 6, 2]]",
          "[-1, 2, PResNetStage, [bottleneck, 4, 2]]",
          "[-1, 2, PResNetStage, [bottleneck, 4, 2, relu, {variant: a}]]",
          "[-1, 1, PResNetStage, [basic, 6, 2, silu, {variant: b}]]",
          "[-1, 1, ResNetLayer, [8, 4, 1, True]]",
          "[-1, 1, ResNetLayer, [8, 3, 2, False, 2]]",
          "[-1, 1, AIFI, [12, 2]]",
          "[-1, 1, AIFI, [12, 4, 0, relu, True]]",
          "[-1, 2, TransformerEncoder, [12, 2]]",
          "[[-1, -1], 1, Concat, [1]]",
          "[[-1, -1], 1, Add, []]",
          "[-1, 1, nn.Upsample, [None, 2, nearest]]",
          "[-1, 1, nn.MaxPool2d, [3, 2, 1]]",
          "[-1, 1, nn.MaxPool2d, [2]]",
          "[-1, 1, nn.Identity, []]"};
}

}  // namespace rtdetr::test
