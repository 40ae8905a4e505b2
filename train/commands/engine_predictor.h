#pragma once

#include "core/base/precision.h"
#include "train/commands/model_source.h"
#include "train/evaluation/evaluator.h"

namespace rtdetr {

/// What predict's CPU engine predicts in a half type, for `evaluate` to judge it by; the model is fused for it.
/// @param decoder_layers  that run; 0 = all
/// @return  empty where the plain model is evaluated: in float32, whose numbers are the engine's, in fp16, on a GPU,
///          with engine=off, of a model that no engine knows
Predictor engine_predictor(const Settings& settings, OpenedModel& opened, const ImageSize& size, Precision precision,
                           std::int64_t decoder_layers = 0);

}  // namespace rtdetr
