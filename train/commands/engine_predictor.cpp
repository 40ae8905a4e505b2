#include "train/commands/engine_predictor.h"

#include <torch/torch.h>

#include "models/deploy/engine/engine.h"
#include "train/process/machine.h"

namespace rtdetr {

Predictor engine_predictor(const Settings& settings, OpenedModel& opened, const ImageSize& size, Precision precision,
                           std::int64_t decoder_layers) {
  if (precision != Precision::kBFloat16 || !compute_device(settings).is_cpu() || settings.engine == "off") return {};
  if (!opened.model->fused()) opened.model->fuse();
  const auto engine =
      CpuEngine::prepare(*opened.model, size, decoder_layers, CpuEngine::Weights::kKept, {NumberFormat::kBFloat16});
  if (!engine) return {};
  return [engine](const torch::Tensor& images) { return engine->run(images).layers.back(); };
}

}  // namespace rtdetr
