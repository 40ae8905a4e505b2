#pragma once

#include "core/base/precision.h"
#include "train/config/settings.h"
#include "train/evaluation/evaluator.h"

namespace rtdetr {

/// predict's CPU engine, with every layer of the head, for `evaluate` to judge it by; the model is fused for it.
/// @return  empty where the plain model is evaluated: in fp16, on a GPU, with engine=off, of a model that no engine
///          knows, and of one that is to be judged by layers that fusion drops
Predictor engine_predictor(const Settings& settings, DetectionModel& model, const ImageSize& size, Precision precision);

}  // namespace rtdetr
