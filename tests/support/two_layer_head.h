#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <torch/types.h>

#include "models/graph/head.h"
#include "models/graph/registry.h"

namespace rtdetr::test {

/// A head that is no transformer decoder: two layers, nothing selected before them, one detection a picture whatever
/// it predicts. Its layers say how sure they are: the second more than the first.
class TwoLayerHead : public Head {
 public:
  ModelOutput forward(const std::vector<Tensor>& maps, const ForwardOptions& options) override {
    const auto batch = maps.front().size(0), layers = options.decoder_layers > 0 ? options.decoder_layers : 2;
    ModelOutput output;
    for (std::int64_t k = options.all_layers ? 1 : layers; k <= layers; ++k)
      output.layers.push_back({torch::full({batch, 3, 2}, static_cast<double>(k)), torch::full({batch, 3, 4}, 0.5)});
    return output;
  }
  std::int64_t num_layers() const override { return 2; }
  std::vector<HeadLayer> layers() const override { return {{1, "coarse"}, {2, "fine"}}; }
  std::vector<Detections> postprocess(const Prediction& prediction, std::span<const PictureSize> sizes,
                                      const PostprocessOptions&) const override {
    std::vector<Detections> found;
    for (std::size_t b = 0; b < sizes.size(); ++b)
      found.push_back({torch::tensor({{0.0F, 0.0F, 1.0F, 1.0F}}),
                       prediction.logits.select(0, static_cast<std::int64_t>(b)).flatten().slice(0, 0, 1).sigmoid(),
                       torch::zeros({1}, torch::kInt64)});
    return found;
  }
  std::vector<std::string> criteria() const override { return {"official"}; }
  Deployment deployment() const override { return Deployment::kOfficial; }

  /// A model of this head over pictures shrunk 32 times.
  static constexpr const char* kYaml =
      "nc: 2\nbackbone:\n  - [-1, 1, nn.MaxPool2d, [32]]\nhead:\n  - [-1, 1, TwoLayerHead, []]\n";

  /// Lets model files name it.
  static void offer() {
    static const bool once = [] {
      add_to_registry({.name = "TwoLayerHead", .summary = "of tests", .build_head = [](const RowContext&) -> HeadPtr {
                         return std::make_shared<TwoLayerHead>();
                       }});
      return true;
    }();
    static_cast<void>(once);
  }
};

}  // namespace rtdetr::test
