#include "train/commands/engine_predictor.h"

#include <span>

#include <torch/types.h>

#include "core/base/error.h"
#include "core/image/picture_size.h"
#include "train/process/machine.h"

namespace rtdetr {

namespace {

/// nullptr: the plain model is evaluated.
std::shared_ptr<const CpuEngine> engine_for(const Settings& settings, DetectionModel& model, const ImageSize& size,
                                            const EngineNumbers& numbers) {
  if (settings.engine == "off" || !compute_device(settings).is_cpu()) return nullptr;
  if (model->head().leaves_out_padding()) return nullptr;  // such a head has no form for it
  if (!model->fused()) {
    if (model->head().usual_layers() < model->num_decoder_layers()) return nullptr;
    model->fuse();
  }
  return CpuEngine::prepare(*model, size, {.all_layers = true, .numbers = numbers});
}

}  // namespace

Predictor engine_predictor(const Settings& settings, DetectionModel& model, const InputRanges& ranges,
                           const ImageSize& size, Precision precision) {
  if (precision == Precision::kFloat16) return {};
  const std::string wrong = why_not(precision, ranges);
  if (!wrong.empty() && precision == Precision::kInt8)
    throw ConfigError("amp=int8" + settings.origin_of("amp") + ": " + wrong);
  if (!wrong.empty()) return {};
  const auto engine = engine_for(settings, model, size, {number_format(precision), ranges});
  if (engine) return predictor_of(engine);
  if (precision == Precision::kInt8)
    throw ConfigError("amp=int8" + settings.origin_of("amp") +
                      ": no CPU engine computes it here, and the plain model has no int8");
  return {};
}

Predictor predictor_of(std::shared_ptr<const CpuEngine> engine) {
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
