#include "train/commands/engine_predictor.h"

#include <span>

#include <torch/types.h>

#include "core/image/picture_size.h"
#include "models/deploy/engine/engine.h"
#include "train/process/machine.h"

namespace rtdetr {

Predictor engine_predictor(const Settings& settings, DetectionModel& model, const ImageSize& size,
                           Precision precision) {
  const auto format = precision == Precision::kBFloat16 ? NumberFormat::kBFloat16 : NumberFormat::kFloat32;
  if (precision == Precision::kFloat16 || !can_multiply(format)) return {};
  if (settings.engine == "off" || !compute_device(settings).is_cpu()) return {};
  if (model->head().leaves_out_padding()) return {};  // such a head has no form for it
  if (!model->fused()) {
    if (model->head().usual_layers() < model->num_decoder_layers()) return {};
    model->fuse();
  }
  const auto engine = CpuEngine::prepare(*model, size, {.all_layers = true, .numbers = {format}});
  if (!engine) return {};
  Predictor predictor;
  predictor.run = [engine](const torch::Tensor& images, std::span<const PictureSize> /*valid_sizes*/) {
    return engine->run(images);
  };
  predictor.layer_ms = [engine](const torch::Tensor& picture) {
    std::vector<CpuEngine::StepTime> times;
    engine->run(picture, &times);
    return engine->layer_ms(times);
  };
  return predictor;
}

}  // namespace rtdetr
