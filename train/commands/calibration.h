#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "models/weights/checkpoint.h"
#include "train/commands/export_precision.h"
#include "train/commands/model_source.h"
#include "train/config/settings.h"

/// `export calibrate=`: what int8 must know of a model is measured and written into its file.
namespace rtdetr {

struct Calibration {
  InputRanges ranges;
  std::int64_t pictures = 0;  ///< on which they were measured
};

/// What the products of a fused model are given on calibrate='s pictures, at most 128, evenly spread, at every depth.
/// @throws ConfigError  on a GPU, and if the CPU engine does not take the model; what reading pictures throws
Calibration calibrate(const Settings& settings, const OpenedModel& fused, const ImageSize& size);

/// Whether this processor does.
bool computes_int8(const Calibration& calibration);

/// export_precision() in int8, where this processor multiplies it.
/// @param written  the file's model, with its calibration
std::optional<ExportPrecision> int8_precision(const Settings& settings, OpenedModel& original, LoadedModel& written,
                                              const ImageSize& size);
std::string text_of(const Calibration& calibration, const std::optional<ExportPrecision>& precision,
                    const Settings& settings);
nlohmann::ordered_json to_json(const Calibration& calibration);

}  // namespace rtdetr
