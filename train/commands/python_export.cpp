#include "train/commands/python_export.h"

#include <filesystem>

#include <torch/torch.h>
#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "core/weights/weights_file.h"
#include "models/deploy/official_file.h"
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

/// @throws InternalError  if the file has other tensors below `prefix`, or others at all
void require_same(const fs::path& file, const std::string& prefix, const TensorMap& expected) {
  const auto written = open_weights(file);
  std::size_t same = 0;
  for (const WeightTensor& tensor : written->tensors()) {
    RTDETR_CHECK(tensor.name.starts_with(prefix), "'" + tensor.name + "' was not to be written");
    const auto found = expected.find(tensor.name.substr(prefix.size()));
    const torch::Tensor values = load_tensor(*written, tensor);
    RTDETR_CHECK(found != expected.end() && values.scalar_type() == found->second.scalar_type() &&
                     values.equal(found->second.cpu()),
                 "the exported '" + tensor.name + "' is not the model's; nothing was written");
    ++same;
  }
  RTDETR_CHECK(same == expected.size(), "the exported file lacks some of the model's tensors; nothing was written");
}

void write_official(const Settings& settings, const OpenedModel& opened, const ImageSize& size, Precision type) {
  refuse_if(settings, official_obstacles(opened.model));
  const TensorMap state = in_number_type(official_state(opened.model, size), type);
  StopSignals::leave_if_requested(kNothingWritten);
  write_exported(
      settings.output, [&](const AtomicWriteOptions& options) { save_official_file(settings.output, state, options); },
      [&](const fs::path& unpublished) { require_same(unpublished, "ema.module.", state); });
}

}  // namespace

ExitCode export_for_python(const Settings& settings) {
  const StopSignals signals;
  require_output_file(settings, settings.model, "model");
  const OpenedModel opened = open_model(settings);
  const ImageSize size = resolve_image_size(settings, opened.size(), opened.model->stride());
  const Precision type = chosen("dtype", settings.dtype, kPrecisionWords);
  write_official(settings, opened, size, type);
  const auto bytes = static_cast<long long>(fs::file_size(settings.output));
  const std::int64_t layers = opened.model->num_decoder_layers();
  print_text(settings, settings.output + ": " + with_thousands(bytes) + " bytes, " + settings.dtype + ", input " +
                           std::to_string(size.height) + "x" + std::to_string(size.width) + ", " +
                           std::to_string(layers) +
                           " decoder layers; every tensor read back as written\n\nnext: in Python, "
                           "torch.load('" +
                           settings.output + "', weights_only=True)['ema']['module']\n");
  print_json(settings, {{"output", settings.output},
                        {"format", settings.format},
                        {"dtype", settings.dtype},
                        {"bytes", bytes},
                        {"imgsz", {size.height, size.width}},
                        {"decoder_layers", layers}});
  return ExitCode::kOk;
}

}  // namespace rtdetr
