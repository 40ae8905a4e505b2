#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/base/precision.h"
#include "core/image/image_size.h"
#include "core/tensor/tensor_file.h"
#include "models/graph/model.h"
#include "models/weights/checkpoint.h"

/// A model as Hugging Face's transformers keeps one: RTDetrForObjectDetection and RTDetrV2ForObjectDetection, which
/// have the official graph with a ResNet, in some numbers.
namespace rtdetr {

/// Why no config of theirs describes this model, a reason each, with what to do; empty if one does.
std::vector<std::string> hugging_face_obstacles(const DetectionModel& model);

struct HuggingFaceFiles {
  std::string config;        ///< config.json
  std::string preprocessor;  ///< preprocessor_config.json
  TensorMap tensors;         ///< model.safetensors, under their names
};
/// @param info    classes, input size, number type
/// @param origin  what messages call the model
HuggingFaceFiles hugging_face_files(const DetectionModel& model, const ModelInfo& info, const std::string& origin);

/// The same tensors under our keys, for who reads them back.
TensorMap tensors_of_hugging_face(const DetectionModel& model, const TensorMap& theirs, const std::string& origin);

}  // namespace rtdetr
