#include "train/commands/python_export.h"

#include <filesystem>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "core/base/check.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/image/placement.h"
#include "core/io/file.h"
#include "core/weights/weights_file.h"
#include "models/deploy/hugging_face_files.h"
#include "models/deploy/official_file.h"
#include "models/layers/module_tree.h"
#include "models/weights/number_type.h"
#include "train/commands/exported_file.h"
#include "train/commands/model_source.h"
#include "train/commands/output_file.h"
#include "train/process/stop_signal.h"
#include "train/report/output.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

void refuse_if(const Settings& settings, const std::vector<std::string>& obstacles) {
  if (obstacles.empty()) return;
  throw ConfigError("format=" + settings.format + settings.origin_of("format") + " cannot hold " + settings.model +
                    ":\n  " + join(obstacles, "\n  "));
}

TensorMap state_of(const DetectionModel& model) {
  TensorMap state;
  for (const auto& [key, tensor] : named_state(*model)) state.emplace(key, tensor);
  return state;
}

/// @throws InternalError  if what comes back under our keys is not what went out
void require_back(const TensorMap& back, const TensorMap& out) {
  for (const auto& [key, tensor] : out) {
    const auto found = back.find(key);
    RTDETR_CHECK(found != back.end() && found->second.equal(tensor),
                 "'" + key + "' does not come back as it was; nothing was written");
  }
}

/// @throws InternalError  if the file has other tensors than these
void require_same(const fs::path& file, const std::string& prefix, const TensorMap& expected) {
  const auto written = open_weights(file);
  for (const WeightTensor& tensor : written->tensors()) {
    const auto found =
        tensor.name.starts_with(prefix) ? expected.find(tensor.name.substr(prefix.size())) : expected.end();
    RTDETR_CHECK(found != expected.end(), "'" + tensor.name + "' was not to be written; nothing was");
    const torch::Tensor values = load_tensor(*written, tensor);
    RTDETR_CHECK(values.scalar_type() == found->second.scalar_type() && values.equal(found->second.cpu()),
                 "the exported '" + tensor.name + "' is not the model's; nothing was written");
  }
  RTDETR_CHECK(written->tensors().size() == expected.size(),
               "the exported file lacks some of the model's tensors; nothing was written");
}

/// output= without slashes at its end.
fs::path output_folder(const Settings& settings) {
  fs::path folder = settings.output;
  while (!folder.has_filename() && folder.has_relative_path()) folder = folder.parent_path();
  return folder;
}

/// format=hf makes a folder, the others a file.
void require_new_target(const Settings& settings) {
  if (settings.format != "hf") return require_output_file(settings, settings.model, "model");
  const std::string where = "output=" + settings.output + settings.origin_of("output") + ": ";
  const fs::path folder = output_folder(settings), parent = folder.parent_path();
  std::error_code ignored;
  if (!parent.empty() && !fs::is_directory(parent, ignored))
    throw ConfigError(where + "there is no folder " + parent.string());
  if (fs::symlink_status(folder, ignored).type() != fs::file_type::not_found)
    throw ConfigError(where + "is there already; give the name of a new folder");
}

void write_official(const Settings& settings, const OpenedModel& opened, const ImageSize& size, Precision type) {
  refuse_if(settings, official_obstacles(opened.model));
  const TensorMap state = in_number_type(official_state(opened.model, size), type);
  StopSignals::leave_if_requested(kNothingWritten);
  write_exported(
      settings.output, [&](const AtomicWriteOptions& options) { save_official_file(settings.output, state, options); },
      [&](const fs::path& unpublished) { require_same(unpublished, "ema.module.", state); });
}

/// What the other program does otherwise than this one.
void warn_of_differences(const ModelInfo& info) {
  if (info.resampling != Resampling::kPillowBilinear)
    log::warning(
        "the model's pictures were resized as OpenCV does, and Hugging Face's preprocessing resizes as Pillow does: "
        "scores will differ a little");
  if (info.fit != Fit::kStretch)
    log::warning("the model's pictures had bars (fit=" + word_of(info.fit, kFitWords) +
                 "), and Hugging Face's preprocessing stretches them: give it pictures that have their bars already");
  if (info.height != info.width)
    log::warning(
        "where maps are not square, transformers 5 numbers the position table's cells row by row, and the official "
        "code, transformers 4 and the published weights do not: scores will differ there");
}

void publish(FolderInMaking& folder) {
  StopSignals::leave_if_requested(kNothingWritten);
  synced_or_said([&] { folder.publish(); });
}

/// As it is exported: input size, number type and licence.
ModelInfo described(const Settings& settings, const OpenedModel& opened, const ImageSize& size, Precision type) {
  ModelInfo info = opened.info;
  info.height = size.height;
  info.width = size.width;
  info.number_type = type;
  if (settings.is_given("license")) info.license = settings.license;
  return info;
}

void write_hugging_face(const Settings& settings, const OpenedModel& opened, const ImageSize& size, Precision type) {
  refuse_if(settings, hugging_face_obstacles(opened.model));
  const ModelInfo info = described(settings, opened, size, type);
  const HuggingFaceFiles files = hugging_face_files(opened.model, info, settings.model);
  require_back(tensors_of_hugging_face(opened.model, files.tensors, settings.model),
               in_number_type(state_of(opened.model), type));
  StopSignals::leave_if_requested(kNothingWritten);
  FolderInMaking folder(output_folder(settings));
  FileMetadata metadata{{"format", "pt"}};
  if (!info.license.empty()) metadata["license"] = info.license;
  const fs::path weights = folder / "model.safetensors";
  write_exported(
      weights, [&](const AtomicWriteOptions& options) { save_tensors(weights, files.tensors, metadata, options); },
      [&](const fs::path& unpublished) { require_same(unpublished, "", files.tensors); });
  synced_or_said([&] { write_text_atomically(folder / "config.json", files.config); });
  synced_or_said([&] { write_text_atomically(folder / "preprocessor_config.json", files.preprocessor); });
  publish(folder);
  warn_of_differences(info);
}

/// Of a file, or of a folder's files.
std::uintmax_t bytes_at(const fs::path& path) {
  if (!fs::is_directory(path)) return fs::file_size(path);
  std::uintmax_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(path)) bytes += entry.file_size();
  return bytes;
}

std::string next_step(const Settings& settings) {
  if (settings.format == "hf")
    return "in Python, transformers.AutoModelForObjectDetection.from_pretrained('" + settings.output + "')";
  return "in Python, torch.load('" + settings.output + "', weights_only=True)['ema']['module']";
}

}  // namespace

ExitCode export_for_python(const Settings& settings) {
  const StopSignals signals;
  require_new_target(settings);
  const OpenedModel opened = open_model(settings);
  warn_if_untrained(settings, opened);
  const ImageSize size = resolve_image_size(settings, opened.size(), opened.model->stride(), opened.info.fit);
  const Precision type = chosen("dtype", settings.dtype, kFloatWords);
  settings.format == "hf" ? write_hugging_face(settings, opened, size, type)
                          : write_official(settings, opened, size, type);
  const std::uintmax_t bytes = bytes_at(settings.output);
  const std::int64_t layers = opened.model->num_decoder_layers();
  print_text(settings, settings.output + ": " + with_thousands(static_cast<long long>(bytes)) + " bytes, " +
                           settings.dtype + ", input " + std::to_string(size.height) + "x" +
                           std::to_string(size.width) + ", " + counted(layers, "decoder layer") +
                           "; every tensor was read back as written\n\nnext: " + next_step(settings) + "\n");
  print_json(settings, {{"output", settings.output},
                        {"format", settings.format},
                        {"dtype", settings.dtype},
                        {"bytes", bytes},
                        {"imgsz", {size.height, size.width}},
                        {"decoder_layers", layers}});
  return ExitCode::kOk;
}

}  // namespace rtdetr
