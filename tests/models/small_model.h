#pragma once

#include <string>

namespace rtdetr::test {

/// Three maps, an encoder and a decoder, in milliseconds. @param decoder  its options
inline std::string small_yaml(const std::string& decoder, int queries = 20) {
  return "nc: 3\nbackbone:\n"
         "  - [-1, 1, ConvNorm, [16, 3, 8, relu]]\n"
         "  - [-1, 1, ConvNorm, [16, 3, 2, relu]]\n"
         "  - [-1, 1, ConvNorm, [16, 3, 2, silu]]\n"
         "head:\n"
         "  - [-1, 1, AIFI, [32, 4]]\n"
         "  - [-1, 1, nn.Upsample, [None, 2, nearest]]\n"
         "  - [[-1, 1], 1, Concat, [1]]\n"
         "  - [-1, 2, RepC3, [16]]\n"
         "  - [[0, 6, 3], 1, RTDETRDecoder, [nc, {dim: 16, heads: 2, layers: 3, ffn: 24, denoising: 6, queries: " +
         std::to_string(queries) + ", " + decoder + "}], decoder]\n";
}

/// `text` with `part`, which it has, replaced.
inline std::string replaced(std::string text, const std::string& part, const std::string& by) {
  return text.replace(text.find(part), part.size(), by);  // throws without it
}

}  // namespace rtdetr::test
