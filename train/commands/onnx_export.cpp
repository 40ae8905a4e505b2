#include "train/commands/onnx_export.h"

#include <filesystem>

#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "core/onnx/onnx_file.h"
#include "models/deploy/onnx/outputs.h"
#include "models/deploy/onnx_verification.h"
#include "models/weights/foreign_model.h"
#include "train/commands/exported_file.h"
#include "train/report/output.h"
#include "train/run/state_hash.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

/// What a reader has to do with a picture before the model sees it.
std::string preprocessing(const OnnxSource& source) {
  return "RGB, stretched to " + std::to_string(source.size.height) + " rows and " + std::to_string(source.size.width) +
         " columns (" + word_of(source.fused.info.resampling, kResamplingWords) +
         "'s bilinear), divided by 255, channels first, float32";
}

/// The entries of our own model files, and what an engine's user needs beside them.
FileMetadata metadata_of(const Settings& settings, const OnnxSource& source) {
  FileMetadata metadata = to_metadata(describe_model(source.fused.model, source.fused.info));
  metadata["preprocessing"] = preprocessing(source);
  metadata["outputs"] = settings.outputs;
  if (source.original.is_checkpoint && !holds_foreign_model(settings.model))
    metadata["state_hash"] = state_hash(SafetensorsReader(settings.model));
  return metadata;
}

OnnxExport make_export(const Settings& settings, const OnnxSource& source) {
  OnnxExportOptions options;
  options.size = source.size;
  options.outputs = chosen("outputs", settings.outputs, kOnnxOutputsWords);
  options.grid_sample = settings.grid_sample;
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

}  // namespace

ExitCode export_onnx(const Settings& settings, const OnnxSource& source) {
  const OnnxExport made = make_export(settings, source);
  OutputDifference difference;
  write_exported(
      settings.output, [&](const AtomicWriteOptions& options) { write_onnx(settings.output, made.model, options); },
      [&](const fs::path& unpublished) {
        const OnnxExport written{read_onnx(unpublished), made.logits, made.boxes, made.tokens};
        difference = verify_onnx(source.original.model, written, source.inputs, source.tolerance,
                                 std::string(kNothingWritten) + " to " + settings.output);
      });
  const OnnxGraph& graph = made.model.graph;
  const auto bytes = static_cast<long long>(fs::file_size(settings.output));
  print_text(settings,
             settings.output + ": " + with_thousands(bytes) + " bytes, opset " + std::to_string(made.model.opset) +
                 ", " + std::to_string(graph.nodes.size()) + " nodes, " + names_of(graph.inputs) + " -> " +
                 names_of(graph.outputs) + ", input " + std::to_string(source.size.height) + "x" +
                 std::to_string(source.size.width) + ", any batch\nlargest difference to " + settings.model + " on " +
                 std::to_string(source.inputs.size()) + (settings.verify.empty() ? " seeded input: " : " pictures: ") +
                 format_double(difference.max_abs) + "\n\nnext: docs/howto/export.md\n");
  print_json(settings, {{"output", settings.output},
                        {"format", settings.format},
                        {"outputs", settings.outputs},
                        {"bytes", bytes},
                        {"nodes", graph.nodes.size()},
                        {"imgsz", {source.size.height, source.size.width}},
                        {"decoder_layers", source.fused.model->num_decoder_layers()},
                        {"compared_inputs", source.inputs.size()},
                        {"max_abs_diff", difference.max_abs},
                        {"max_abs_diff_scores", difference.max_abs_scores},
                        {"max_abs_diff_boxes", difference.max_abs_boxes}});
  return ExitCode::kOk;
}

}  // namespace rtdetr
