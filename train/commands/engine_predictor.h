#pragma once

#include <memory>

#include "core/base/precision.h"
#include "models/deploy/engine/engine.h"
#include "train/config/settings.h"
#include "train/evaluation/evaluator.h"

namespace rtdetr {

/// predict's CPU engine, with every layer of the head, for `evaluate` to judge it by; the model is fused for it.
/// @param ranges  of the model's file
/// @return  empty where the plain model is evaluated: in fp16, on a GPU, with engine=off, of a model that no engine
///          knows, and of one that is to be judged by layers that fusion drops
/// @throws ConfigError  if int8 is asked for there
Predictor engine_predictor(const Settings& settings, DetectionModel& model, const InputRanges& ranges,
                           const ImageSize& size, Precision precision);
/// What an engine predicts, for `evaluate`.
Predictor predictor_of(std::shared_ptr<const CpuEngine> engine);

}  // namespace rtdetr
