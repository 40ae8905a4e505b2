#include <filesystem>

#include <torch/torch.h>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/image/picture_warnings.h"
#include "core/io/file.h"
#include "data/dataset/dataset.h"
#include "models/deploy/output_comparison.h"
#include "models/deploy/preprocess.h"
#include "train/commands/commands.h"
#include "train/commands/model_source.h"
#include "train/commands/picture_sources.h"
#include "train/process/machine.h"
#include "train/process/stop_signal.h"
#include "train/report/output.h"

/// A file gets its name only after it was read back and found to compute what the model computes.
namespace rtdetr {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostPictures = 32;  ///< of verify= that are compared
constexpr const char* kNothingWritten = "nothing was written";
constexpr double kTolerance = 1e-3;  ///< of scores and of boxes as fractions of the picture

void check_target(const Settings& settings) {
  const fs::path folder = fs::path(settings.output).parent_path();
  std::error_code ignored;
  if (!folder.empty() && !fs::is_directory(folder, ignored))
    throw ConfigError("output=" + settings.output + settings.origin_of("output") + ": there is no folder " +
                      folder.string());
  if (fs::is_directory(settings.output, ignored))
    throw ConfigError("output=" + settings.output + settings.origin_of("output") + ": is a folder, not a file");
  if (fs::equivalent(settings.output, settings.model, ignored))
    throw ConfigError("output=" + settings.output + settings.origin_of("output") +
                      ": is the model itself; give another name");
}

std::vector<fs::path> verification_pictures(const std::string& verify) {
  const fs::path extension = fs::path(verify).extension();
  if (extension != ".yaml" && extension != ".yml") return list_pictures(verify);
  const DatasetConfig config = load_dataset_config(verify);
  const Dataset dataset = load_dataset(config, config.find("val") ? "val" : "train");
  std::vector<fs::path> pictures;
  for (const auto& picture : dataset.pictures) pictures.push_back(picture.file);
  return pictures;
}

/// Inputs to compare on: pictures of verify=, or noise from the seed. Each [1, 3, H, W], where the models are.
std::vector<torch::Tensor> verification_inputs(const Settings& settings, const ImageSize& size, Resampling resampling) {
  const torch::Device device = compute_device(settings);
  std::vector<torch::Tensor> inputs;
  if (settings.verify.empty()) {
    const torch::Generator generator = at::make_generator<at::CPUGeneratorImpl>(settings.seed);
    inputs.push_back(torch::rand({1, 3, size.height, size.width}, generator).to(device));
    return inputs;
  }
  std::vector<fs::path> pictures = verification_pictures(settings.verify);
  if (pictures.size() > kMostPictures) pictures.resize(kMostPictures);
  PictureWarnings warnings;
  for (const fs::path& file : pictures) {
    const Picture picture = read_picture(file, {.max_pixels = settings.max_pixels});
    warnings.add(file, picture.warnings);
    inputs.push_back(preprocess(std::span<const Picture>(&picture, 1), size, resampling).to(device));
  }
  warnings.report();
  return inputs;
}

OutputDifference compare_on(const std::vector<torch::Tensor>& inputs, DetectionModel& original,
                            DetectionModel& written) {
  OutputDifference worst;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    StopSignals::leave_if_requested(kNothingWritten);
    worst = worse_of(worst, compare_outputs(original, written, inputs[i]));
    if (inputs.size() > 1) log::progress("compared " + std::to_string(i + 1) + " of " + std::to_string(inputs.size()));
  }
  log::end_progress();
  return worst;
}

/// What was read back from the file before it got its name.
struct WrittenFile {
  std::int64_t decoder_layers = 0;
  OutputDifference difference;
};

/// @throws InternalError  if the file does not compute what the original does; nothing is written then
WrittenFile write_verified(const Settings& settings, DetectionModel& original, const OpenedModel& fused,
                           const std::vector<torch::Tensor>& inputs) {
  WrittenFile result;
  const auto verify = [&](const fs::path& unpublished) {
    LoadedModel written = load_model(unpublished);
    written.model->to(compute_device(settings));
    result = {written.info.decoder_layers, compare_on(inputs, original, written.model)};
    const double difference = result.difference.max_abs;
    if (!(difference <= kTolerance))
      throw InternalError("the exported model differs from " + settings.model + " by " + format_double(difference) +
                          ", more than " + format_double(kTolerance) + "; nothing was written to " + settings.output);
    StopSignals::leave_if_requested(kNothingWritten);
  };
  remove_leftover_temporaries_of(settings.output);
  try {
    save_model(settings.output, fused.model, fused.info, {}, {.verify = verify});
  } catch (const UnsyncedError& fault) {
    log::warning(fault.what());
  }
  return result;
}

}  // namespace

ExitCode run_export(const Settings& settings) {
  const StopSignals signals;
  check_target(settings);
  OpenedModel original = open_model(settings);
  const ImageSize size = resolve_image_size(settings, original.size(), original.model->stride());
  const std::vector<torch::Tensor> inputs = verification_inputs(settings, size, original.info.resampling);

  OpenedModel fused = open_model(settings);
  if (!fused.model->fused()) fused.model->fuse();
  fused.info.height = size.height;
  fused.info.width = size.width;
  StopSignals::leave_if_requested(kNothingWritten);
  const WrittenFile written = write_verified(settings, original.model, fused, inputs);
  const OutputDifference& difference = written.difference;

  const auto bytes = static_cast<long long>(fs::file_size(settings.output));
  print_text(settings,
             settings.output + ": " + with_thousands(bytes) + " bytes, fused, input " + std::to_string(size.height) +
                 "x" + std::to_string(size.width) + ", " + std::to_string(written.decoder_layers) +
                 " decoder layers\nlargest difference to " + settings.model + " on " + std::to_string(inputs.size()) +
                 (settings.verify.empty() ? " seeded input: " : " pictures: ") + format_double(difference.max_abs) +
                 "\n\nnext: rtdetr predict model=" + shell_word(settings.output) + " source=photos/\n");
  print_json(settings, {{"output", settings.output},
                        {"format", settings.format},
                        {"bytes", bytes},
                        {"imgsz", {size.height, size.width}},
                        {"decoder_layers", written.decoder_layers},
                        {"compared_inputs", inputs.size()},
                        {"max_abs_diff", difference.max_abs},
                        {"max_abs_diff_scores", difference.max_abs_scores},
                        {"max_abs_diff_boxes", difference.max_abs_boxes}});
  return ExitCode::kOk;
}

}  // namespace rtdetr
