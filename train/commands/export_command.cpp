#include <algorithm>
#include <filesystem>
#include <optional>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/image/placement.h"
#include "models/deploy/output_comparison.h"
#include "models/layers/module_tree.h"
#include "models/weights/number_type.h"
#include "train/commands/calibration.h"
#include "train/commands/commands.h"
#include "train/commands/export_pictures.h"
#include "train/commands/export_precision.h"
#include "train/commands/exported_file.h"
#include "train/commands/model_source.h"
#include "train/commands/onnx_export.h"
#include "train/commands/output_file.h"
#include "train/commands/python_export.h"
#include "train/process/machine.h"
#include "train/process/stop_signal.h"
#include "train/report/output.h"

/// A file gets its name only after it was read back and found to compute what the model computes.
namespace rtdetr {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostPictures = 32;  ///< of verify= that are compared
constexpr double kTolerance = 1e-3;        ///< of scores and of boxes as fractions of the picture

/// Inputs to compare on: pictures of verify=, or noise from the seed. Each [1, 3, H, W], where the models are.
std::vector<torch::Tensor> verification_inputs(const Settings& settings, const PreprocessOptions& like) {
  const torch::Device device = compute_device(settings);
  std::vector<torch::Tensor> inputs;
  if (settings.verify.empty()) {
    const torch::Generator generator = at::make_generator<at::CPUGeneratorImpl>(settings.seed);
    const ImageSize size = rounded_up(like.size, like.stride);
    inputs.push_back(torch::rand({1, 3, size.height, size.width}, generator).to(device));
    return inputs;
  }
  std::vector<fs::path> pictures = export_pictures(settings, "verify", settings.verify, {"val", "train"});
  if (pictures.size() > kMostPictures) pictures.resize(kMostPictures);
  PictureWarnings warnings;
  for (const fs::path& file : pictures) inputs.push_back(read_input(file, settings, like, warnings).to(device));
  warnings.report();
  return inputs;
}

/// The sum over all inputs of what `compare` gives for one.
template <typename Total, typename Compare, typename Add>
Total over_all(const std::vector<torch::Tensor>& inputs, Compare&& compare, Add&& add) {
  Total total;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    StopSignals::leave_if_requested(kNothingWritten);
    total = add(total, compare(inputs[i]));
    if (inputs.size() > 1) log::progress("compared " + std::to_string(i + 1) + " of " + std::to_string(inputs.size()));
  }
  log::end_progress();
  return total;
}

/// The exported model in memory, and what it was made of.
struct Export {
  const Settings& settings;
  OpenedModel original, fused;
  ImageSize size;
  std::vector<ImageSize> sizes;       ///< to compare at, `size` first
  std::vector<torch::Tensor> inputs;  ///< to compare on
  std::optional<Calibration> calibration;

  bool is_rounded() const { return fused.info.number_type != Precision::kFloat32; }
  std::string type() const { return precision_name(fused.info.number_type); }
};

/// The sizes that the exported model is compared at. Another than its own, and not square, for one that takes any.
std::vector<ImageSize> sizes_to_compare(const Settings& settings, const ImageSize& size, std::int64_t stride) {
  if (!settings.dynamic) return {size};
  return {size, {size.height + stride, size.width + 2 * stride}};
}

/// A graph has one height and width, and no mask for padding.
void stretch_pictures(Export& all) {
  all.size = rounded_up(all.size, all.original.model->stride());
  all.original.info.fit = all.fused.info.fit = Fit::kStretch;
  log::warning(
      "an ONNX file stretches pictures to its " + std::to_string(all.size.height) + " rows and " +
      std::to_string(all.size.width) + " columns; " + all.settings.model +
      " has learnt from pictures that keep their shape (fit=keep_ratio). verify= with a data set tells their AP");
}

Export prepare(const Settings& settings) {
  Export all{settings, open_model(settings), open_model(settings), {}, {}, {}, {}};
  warn_if_untrained(settings, all.original);
  const ModelInfo& trained = all.original.info;
  const std::int64_t stride = all.original.model->stride();
  all.size = resolve_image_size(settings, all.original.size(), stride, trained.fit);
  if (settings.format == "onnx" && trained.fit == Fit::kKeepRatio) stretch_pictures(all);
  all.sizes = sizes_to_compare(settings, all.size, stride);
  for (const ImageSize& size : all.sizes) {
    const auto inputs = verification_inputs(settings, {size, trained.resampling, trained.fit, stride});
    all.inputs.insert(all.inputs.end(), inputs.begin(), inputs.end());
  }
  if (!all.fused.model->fused()) all.fused.model->fuse();
  ModelInfo& info = all.fused.info;
  info.height = all.size.height;
  info.width = all.size.width;
  info.number_type = chosen("dtype", settings.dtype, kFloatWords);
  if (all.is_rounded()) info.input_ranges.clear();  // of other weights
  if (settings.is_given("license")) info.license = settings.license;
  if (!settings.calibrate.empty()) {
    all.calibration = calibrate(settings, all.fused, all.size);
    info.input_ranges = all.calibration->ranges;
  }
  return all;
}

/// What was read back from the file before it got its name.
struct WrittenFile {
  LoadedModel loaded;
  OutputDifference difference;  ///< to the original, before any rounding
  RoundingCost rounding;        ///< of a half type
};

[[noreturn]] void refuse_difference(const Export& all, const std::string& what) {
  throw InternalError("the exported model " + what + "; nothing was written to " + all.settings.output);
}

void require_equal(const Export& all, DetectionModel& other, OutputDifference& difference) {
  difference = over_all<OutputDifference>(
      all.inputs,
      [&](const auto& input) {
        DetectionModel original = all.original.model;
        return compare_outputs(original, other, input);
      },
      worse_of);
  if (!(difference.max_abs <= kTolerance))
    refuse_difference(all, "differs from " + all.settings.model + " by " + format_double(difference.max_abs) +
                               ", more than " + format_double(kTolerance));
}

/// The file has the fused model's numbers, each rounded once.
void require_rounded(const Export& all, const DetectionModel& written) {
  TensorMap fused;
  for (const auto& [key, tensor] : named_state(*all.fused.model)) fused.emplace(key, tensor);
  const TensorMap rounded = in_number_type(fused, all.fused.info.number_type);
  for (const auto& [key, tensor] : named_state(*written))
    if (!tensor.equal(rounded.at(key).to(tensor.scalar_type())))
      refuse_difference(all, "has another '" + key + "' than was written");
}

/// @throws InternalError  if the file does not compute what the original does; nothing is written then
WrittenFile write_verified(Export& all) {
  WrittenFile result;
  const auto verify = [&](const fs::path& unpublished) {
    result.loaded = load_model(unpublished);
    DetectionModel& written = result.loaded.model;
    written->to(compute_device(all.settings));
    if (!all.is_rounded()) return require_equal(all, written, result.difference);
    require_rounded(all, written);
    require_equal(all, all.fused.model, result.difference);
    const auto compare = [&](const auto& input) { return compare_rounded(all.original.model, written, input); };
    result.rounding = over_all<RoundingCost>(all.inputs, compare, sum_of);
  };
  write_exported(
      all.settings.output,
      [&](const AtomicWriteOptions& options) {
        save_model(all.settings.output, all.fused.model, all.fused.info, {}, options);
      },
      verify);
  return result;
}

/// What rounding costs: that of the file's weights, or of what they are calibrated for.
std::optional<ExportPrecision> precision_of(Export& all, LoadedModel& written) {
  if (all.calibration) return int8_precision(all.settings, all.original, written, all.size);
  if (!all.is_rounded()) return std::nullopt;
  DetectionModel& model = written.model;
  return export_precision(
      all.settings, all.original, all.size,
      {.run = [&](const torch::Tensor& images,
                  std::span<const PictureSize> sizes) { return model->forward(images, {.valid_sizes = sizes}); },
       .last_alone = true},
      all.type());
}

std::string text_of(const Export& all, const WrittenFile& written, const std::optional<ExportPrecision>& precision) {
  const Settings& settings = all.settings;
  const std::string on =
      std::to_string(all.inputs.size()) + (settings.verify.empty() ? " seeded input: " : " pictures: ");
  std::string text = settings.output + ": " + with_thousands(static_cast<long long>(fs::file_size(settings.output))) +
                     " bytes, fused, " + all.type() + ", input " + std::to_string(all.size.height) + "x" +
                     std::to_string(all.size.width) + ", " +
                     counted(written.loaded.info.decoder_layers, "decoder layer") + "\n";
  text += "largest difference to " + settings.model + (all.is_rounded() ? " before rounding, on " : " on ") + on +
          two_digits(written.difference.max_abs) + "\n";
  if (all.is_rounded()) text += text_of(written.rounding, all.type()) + text_of(precision, settings, all.type());
  if (all.calibration) text += text_of(*all.calibration, precision, settings);
  return text + "\nnext: rtdetr predict model=" + shell_word(settings.output) + " source=photos/" +
         (all.calibration && computes_int8(*all.calibration) ? " amp=int8\n" : "\n");
}

nlohmann::ordered_json document_of(const Export& all, const WrittenFile& written,
                                   const std::optional<ExportPrecision>& precision) {
  const OutputDifference& difference = written.difference;
  nlohmann::ordered_json document{{"output", all.settings.output},
                                  {"format", all.settings.format},
                                  {"dtype", all.type()},
                                  {"license", all.fused.info.license},
                                  {"bytes", fs::file_size(all.settings.output)},
                                  {"sha256", written.loaded.metadata.at(kPayloadHashKey)},
                                  {"imgsz", {all.size.height, all.size.width}},
                                  {"decoder_layers", written.loaded.info.decoder_layers},
                                  {"compared_inputs", all.inputs.size()},
                                  {"max_abs_diff", difference.max_abs},
                                  {"max_abs_diff_scores", difference.max_abs_scores},
                                  {"max_abs_diff_boxes", difference.max_abs_boxes}};
  if (all.is_rounded()) document["rounding"] = to_json(written.rounding);
  if (all.calibration) document["calibration"] = to_json(*all.calibration);
  if (precision) document["ap"] = to_json(*precision);
  return document;
}

}  // namespace

ExitCode run_export(const Settings& settings) {
  if (settings.format == "official-pth" || settings.format == "hf") return export_for_python(settings);
  const StopSignals signals;
  require_output_file(settings, settings.model, "model");
  Export all = prepare(settings);
  StopSignals::leave_if_requested(kNothingWritten);
  if (settings.format == "onnx")
    return export_onnx(settings, {all.original, all.fused, all.sizes, all.inputs, kTolerance});
  WrittenFile written = write_verified(all);
  const std::optional<ExportPrecision> precision = precision_of(all, written.loaded);
  print_text(settings, text_of(all, written, precision));
  print_json(settings, document_of(all, written, precision));
  return ExitCode::kOk;
}

}  // namespace rtdetr
