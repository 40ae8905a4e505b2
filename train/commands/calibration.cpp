#include "train/commands/calibration.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include <torch/types.h>

#include "core/base/check.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "models/deploy/engine/engine.h"
#include "train/commands/engine_predictor.h"
#include "train/commands/export_pictures.h"
#include "train/commands/exported_file.h"
#include "train/process/machine.h"
#include "train/process/stop_signal.h"
#include "train/report/work_progress.h"

namespace rtdetr {
namespace {

constexpr std::size_t kMostCalibrated = 128;
constexpr const char* kInt8 = "int8";

std::shared_ptr<const CpuEngine> engine_for(const Settings& settings, DetectionModel model, const ImageSize& size) {
  const std::string what = "calibrate=" + settings.calibrate + settings.origin_of("calibrate");
  if (!compute_device(settings).is_cpu()) throw ConfigError(what + " is for the CPU; give device=cpu");
  const bool padded = model->head().leaves_out_padding();
  auto engine = padded ? nullptr : CpuEngine::prepare(*model, size, {.all_layers = true});
  if (!engine) throw ConfigError(what + ": the CPU engine, which computes in int8, does not take " + settings.model);
  return engine;
}

}  // namespace

Calibration calibrate(const Settings& settings, const OpenedModel& fused, const ImageSize& size) {
  const auto engine = engine_for(settings, fused.model, size);
  const auto files = export_pictures(settings, "calibrate", settings.calibrate, {"train", "val"});
  const std::size_t count = std::min(kMostCalibrated, files.size());
  const PreprocessOptions like{size, fused.info.resampling, fused.info.fit, fused.model->stride()};
  Calibration calibration;
  PictureWarnings warnings;
  const WorkProgress progress(static_cast<std::int64_t>(count), "calibrating: ");
  while (static_cast<std::size_t>(calibration.pictures) < count) {
    StopSignals::leave_if_requested(kNothingWritten);
    const std::size_t file = static_cast<std::size_t>(calibration.pictures) * files.size() / count;
    engine->add_input_ranges(read_input(files[file], settings, like, warnings), calibration.ranges);
    progress.show(++calibration.pictures);
  }
  log::end_progress();
  warnings.report();
  return calibration;
}

bool computes_int8(const Calibration& calibration) { return why_not(Precision::kInt8, calibration.ranges).empty(); }

std::optional<ExportPrecision> int8_precision(const Settings& settings, OpenedModel& original, LoadedModel& written,
                                              const ImageSize& size) {
  const InputRanges& ranges = written.info.input_ranges;
  if (!is_data_set(settings.verify) || !why_not(Precision::kInt8, ranges).empty()) return std::nullopt;
  const auto engine = CpuEngine::prepare(*written.model, size, {.numbers = {NumberFormat::kInt8, ranges}});
  RTDETR_CHECK(engine, "a model that was calibrated has no engine");
  Predictor predictor = predictor_of(engine);
  predictor.last_alone = true;
  return export_precision(settings, original, size, predictor, kInt8);
}

std::string text_of(const Calibration& calibration, const std::optional<ExportPrecision>& precision,
                    const Settings& settings) {
  const std::string wrong = why_not(Precision::kInt8, calibration.ranges);
  return "calibrated for amp=int8 on " + counted(calibration.pictures, "picture") + "\n" +
         (wrong.empty() ? text_of(precision, settings, kInt8)
                        : "what that costs in AP, val amp=int8 tells elsewhere: " + wrong + "\n");
}

nlohmann::ordered_json to_json(const Calibration& calibration) {
  return {{"pictures", calibration.pictures}, {"products", calibration.ranges.size()}};
}

}  // namespace rtdetr
