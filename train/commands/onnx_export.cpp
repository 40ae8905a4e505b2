#include "train/commands/onnx_export.h"

#include <filesystem>
#include <optional>
#include <span>

#include <nlohmann/json.hpp>

#include "core/base/installation.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/image/placement.h"
#include "core/onnx/onnx_file.h"
#include "models/deploy/onnx/outputs.h"
#include "models/deploy/onnx_verification.h"
#include "models/weights/foreign_model.h"
#include "train/commands/export_precision.h"
#include "train/commands/exported_file.h"
#include "train/process/machine.h"
#include "train/process/stop_signal.h"
#include "train/report/output.h"
#include "train/run/state_hash.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

/// "64x96"
std::string text_of(const ImageSize& size) { return std::to_string(size.height) + "x" + std::to_string(size.width); }

/// What a reader has to do with a picture before the model sees it.
std::string preprocessing(const Settings& settings, const OnnxSource& source) {
  const std::string stride = std::to_string(source.fused.model->stride());
  const bool letterboxed = source.fused.info.fit == Fit::kLetterbox;
  return std::string("RGB, ") + (letterboxed ? "scaled in their shape as far as they fit into " : "stretched to ") +
         std::to_string(source.size().height) + " rows and " + std::to_string(source.size().width) + " columns" +
         (settings.dynamic ? ", or other multiples of " + stride : "") + " (" +
         word_of(source.fused.info.resampling, kResamplingWords) + "'s bilinear), " +
         (letterboxed ? "in the middle, grey " + std::to_string(kLetterboxGrey) + " around them, " : "") +
         "divided by 255, channels first, float32" + (letterboxed ? "; boxes are those of the padded picture" : "");
}

/// The entries of our own model files, and what an engine's user needs beside them.
FileMetadata metadata_of(const Settings& settings, const OnnxSource& source) {
  FileMetadata metadata = to_metadata(describe_model(source.fused.model, source.fused.info));
  metadata["preprocessing"] = preprocessing(settings, source);
  if (settings.dynamic) metadata["dynamic"] = "true";
  metadata["outputs"] = settings.outputs;
  if (source.original.is_checkpoint && !holds_foreign_model(settings.model))
    metadata["state_hash"] = state_hash(SafetensorsReader(settings.model));
  return metadata;
}

OnnxExport make_export(const Settings& settings, const OnnxSource& source, OnnxType type) {
  OnnxExportOptions options;
  options.size = source.size();
  options.free_size = settings.dynamic;
  options.outputs = chosen("outputs", settings.outputs, kOnnxOutputsWords);
  options.grid_sample = settings.grid_sample;
  options.float_type = type;
  OnnxExport made = make_onnx_model(*source.fused.model, options);
  made.model.producer_name = "rtdetr";
  made.model.producer_version = RTDETR_VERSION;
  made.model.metadata = metadata_of(settings, source);
  return made;
}

std::string names_of(const std::vector<OnnxValueInfo>& values) {
  std::vector<std::string> names;
  for (const OnnxValueInfo& value : values) names.push_back(value.name);
  return join(names, ", ");
}

/// What was read back from the file before it got its name.
struct WrittenOnnx {
  OnnxExport read;
  OutputDifference difference;  ///< of the graph in float32 to the model
  RoundingCost rounding;        ///< of a float16 file
};

/// A float16 file has two proofs: its operators in float32, and the file as it stands.
WrittenOnnx write_verified(const Settings& settings, const OnnxSource& source, const OnnxExport& made) {
  const bool half = settings.dtype == "fp16";
  const std::string consequence = std::string(kNothingWritten) + " to " + settings.output;
  const auto progress = [&](std::size_t done) {
    StopSignals::leave_if_requested(kNothingWritten);
    const std::size_t all = source.inputs.size();
    if (all > 1) log::progress("compared " + std::to_string(done) + " of " + std::to_string(all));
    if (done == all) log::end_progress();
  };
  const auto compare = [&](const OnnxExport& file) {
    return verify_onnx(source.original.model, file, source.inputs, source.tolerance, consequence, progress);
  };
  WrittenOnnx result;
  if (half) result.difference = compare(make_export(settings, source, OnnxType::kFloat));
  write_exported(
      settings.output, [&](const AtomicWriteOptions& options) { write_onnx(settings.output, made.model, options); },
      [&](const fs::path& unpublished) {
        result.read = {read_onnx(unpublished), made.logits, made.boxes, made.tokens};
        if (!half) {
          result.difference = compare(result.read);
        } else {
          result.rounding = verify_float16_onnx(source.original.model, result.read, source.inputs, source.tolerance,
                                                consequence, progress);
        }
      });
  return result;
}

std::string input_of(const Settings& settings, const OnnxSource& source) {
  if (!settings.dynamic) return "input " + text_of(source.size());
  return "height and width any multiples of " + std::to_string(source.fused.model->stride()) + ", compared at " +
         text_of(source.sizes.front()) + " and " + text_of(source.sizes.back());
}

std::string text_of(const Settings& settings, const OnnxSource& source, const WrittenOnnx& written,
                    const std::optional<ExportPrecision>& precision) {
  const OnnxGraph& graph = written.read.model.graph;
  const bool half = settings.dtype == "fp16";
  std::string text =
      settings.output + ": " + with_thousands(static_cast<long long>(fs::file_size(settings.output))) +
      " bytes, opset " + std::to_string(written.read.model.opset) + ", " + std::to_string(graph.nodes.size()) +
      " nodes" + (half ? ", fp16, " : ", ") + names_of(graph.inputs) + " -> " + names_of(graph.outputs) + ", " +
      input_of(settings, source) + ", any batch\nlargest difference to " + settings.model +
      (half ? " before rounding, on " : " on ") + std::to_string(source.inputs.size()) +
      (settings.verify.empty() ? " seeded input: " : " pictures: ") + two_digits(written.difference.max_abs) + "\n";
  if (half)
    text += rtdetr::text_of(written.rounding, settings.dtype) + rtdetr::text_of(precision, settings, settings.dtype);
  return text + "\nnext: " + readable_page("docs/howto/export.md") + "\n";
}

nlohmann::ordered_json document_of(const Settings& settings, const OnnxSource& source, const WrittenOnnx& written,
                                   const std::optional<ExportPrecision>& precision) {
  nlohmann::ordered_json document{{"output", settings.output},
                                  {"format", settings.format},
                                  {"outputs", settings.outputs},
                                  {"dtype", settings.dtype},
                                  {"bytes", fs::file_size(settings.output)},
                                  {"nodes", written.read.model.graph.nodes.size()},
                                  {"imgsz", {source.size().height, source.size().width}},
                                  {"dynamic", settings.dynamic},
                                  {"decoder_layers", source.fused.model->num_decoder_layers()},
                                  {"compared_inputs", source.inputs.size()},
                                  {"max_abs_diff", written.difference.max_abs},
                                  {"max_abs_diff_scores", written.difference.max_abs_scores},
                                  {"max_abs_diff_boxes", written.difference.max_abs_boxes}};
  if (settings.dtype == "fp16") document["rounding"] = to_json(written.rounding);
  if (precision) document["ap"] = to_json(*precision);
  return document;
}

/// A graph whose sizes are free selects as many queries at every size.
void require_enough_tokens(const OnnxSource& source) {
  const std::int64_t queries = source.original.model->head().num_queries();
  if (queries == 0) return;
  const torch::Tensor tokens = ordered_output_of(source.original.model, source.inputs.front()).tokens;
  if (tokens.defined() && tokens.size(1) < queries)
    throw ConfigError("dynamic=true: at " + text_of(source.size()) + " the model's maps have " +
                      std::to_string(tokens.size(1)) + " cells, fewer than its " + std::to_string(queries) +
                      " queries; use a larger imgsz=, or fewer num_queries=");
}

}  // namespace

ExitCode export_onnx(const Settings& settings, OnnxSource source) {
  if (settings.dynamic) require_enough_tokens(source);
  const bool half = settings.dtype == "fp16";
  const WrittenOnnx written =
      write_verified(settings, source, make_export(settings, source, half ? OnnxType::kFloat16 : OnnxType::kFloat));
  std::optional<ExportPrecision> precision;
  if (half) {
    const auto predict = onnx_predictor(written.read, compute_device(settings));
    precision = export_precision(settings, source.original, source.size(),
                                 {.run =
                                      [&](const torch::Tensor& images, std::span<const PictureSize> /*valid_sizes*/) {
                                        ModelOutput output;
                                        output.layers.push_back(predict(images));
                                        return output;
                                      },
                                  .last_alone = true},
                                 settings.dtype);
  }
  print_text(settings, text_of(settings, source, written, precision));
  print_json(settings, document_of(settings, source, written, precision));
  return ExitCode::kOk;
}

}  // namespace rtdetr
