#include <filesystem>
#include <map>
#include <numeric>

#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "core/image/placement.h"
#include "models/deploy/size.h"
#include "models/graph/model_parts.h"
#include "models/layers/module_tree.h"
#include "models/weights/foreign_model.h"
#include "train/commands/commands.h"
#include "train/commands/model_source.h"
#include "train/commands/weights_listing.h"
#include "train/report/model_rows.h"
#include "train/report/output.h"
#include "train/report/text_layout.h"
#include "train/run/state_hash.h"

namespace rtdetr {

namespace {

struct ModelFacts {
  std::vector<DetectionModelImpl::Row> rows;
  std::map<std::string, std::int64_t> parts;
  std::int64_t parameters = 0;
  std::int64_t deployed_parameters = 0;  ///< as published
  std::int64_t exported_parameters = 0;
  PartNumbers part_gflops{};
  double gflops = 0;
  ImageSize size;
};

/// A deformable encoder, which stands in the last row, counts as encoder here as it does among the operations.
std::map<std::string, std::int64_t> parameters_of_parts(const DetectionModelImpl& model) {
  std::map<std::string, std::int64_t> sums;
  for (const char* part : kForwardParts) sums[part] = 0;
  const ModelParts parts(model);
  for (const auto& parameter : model.named_parameters()) {
    const ModelPart part = parts.of(parameter.key());
    const bool is_ours = part == ModelPart::kBackbone || part == ModelPart::kEncoder;
    sums[is_ours ? word_of(part, kModelPartWords) : "decoder"] += parameter.value().numel();
  }
  return sums;
}

/// Builds the model once more without memory, and fuses that.
ModelFacts examine(const OpenedModel& opened, const Settings& settings) {
  BuildOptions options;
  options.shapes_only = true;
  DetectionModel model = build_model(opened.model->spec(), options);
  if (opened.model->fused()) model->fuse();
  ModelFacts facts;
  facts.size =
      rounded_up(resolve_image_size(settings, opened.size(), model->stride(), opened.info.fit), model->stride());
  facts.rows = model->rows();
  facts.parts = parameters_of_parts(*model);
  facts.parameters = count_parameters(*model);
  facts.deployed_parameters = count_deployed_parameters(*model);
  model->fuse();
  facts.part_gflops = count_part_gflops(model, facts.size.height, facts.size.width);  // published: fused ones
  facts.gflops = std::accumulate(facts.part_gflops.begin(), facts.part_gflops.end(), 0.0);
  facts.exported_parameters = count_parameters(*model);
  return facts;
}

std::string sizes_of_parts(const ModelFacts& facts) {
  TextTable table({{"part", TextTable::Align::kLeft}, {"params"}, {"GFLOPs"}, {"share"}});
  for (std::size_t i = 0; i < kForwardParts.size(); ++i)
    table.add({kForwardParts[i], with_thousands(facts.parts.at(kForwardParts[i])), fixed(facts.part_gflops[i], 2),
               fixed(100 * facts.part_gflops[i] / facts.gflops, 0) + " %"});
  return table.text();
}

nlohmann::ordered_json gflops_of_parts(const ModelFacts& facts) {
  nlohmann::ordered_json gflops;
  for (std::size_t i = 0; i < kForwardParts.size(); ++i) gflops[kForwardParts[i]] = facts.part_gflops[i];
  return gflops;
}

std::string summary(const OpenedModel& opened, const ModelFacts& facts) {
  std::string text = opened.model->spec().name + ": " + with_thousands(facts.parameters) +
                     " parameters (fused as published " + with_thousands(facts.deployed_parameters) + ", exported " +
                     with_thousands(facts.exported_parameters) + "), " + fixed(facts.gflops, 1) + " GFLOPs at " +
                     std::to_string(facts.size.height) + "x" + std::to_string(facts.size.width) + ", " +
                     counted(opened.model->num_decoder_layers(), "decoder layer");
  text = wrapped(text, 2) + "\n";
  return text + "\n" + sizes_of_parts(facts);
}

}  // namespace

ExitCode run_info(const Settings& settings) {
  if (!is_model_yaml(settings.model) && holds_foreign_model(settings.model)) {
    list_weights(settings);
    return ExitCode::kOk;
  }
  const OpenedModel opened = open_model(settings, InitialWeights::kNone);
  const std::int64_t classes = opened.model->num_classes();
  const ModelFacts facts = examine(opened, settings);
  nlohmann::ordered_json document = {{"model", settings.model},
                                     {"name", opened.model->spec().name},
                                     {"params", facts.parameters},
                                     {"params_fused", facts.deployed_parameters},
                                     {"params_exported", facts.exported_parameters},
                                     {"gflops", facts.gflops},
                                     {"imgsz", {facts.size.height, facts.size.width}},
                                     {"num_classes", classes},
                                     {"decoder_layers", opened.model->num_decoder_layers()},
                                     {"parts", facts.parts},
                                     {"part_gflops", gflops_of_parts(facts)},
                                     {"rows", rows_json(facts.rows)}};
  std::string text = rows_table(facts.rows) + "\n" + summary(opened, facts);
  if (opened.is_checkpoint) {
    const std::string hash = state_hash(SafetensorsReader(settings.model));
    document["state_hash"] = hash;
    document["names"] = opened.info.names;
    document["category_ids"] = opened.info.category_ids;
    document["dtype"] = precision_name(opened.info.number_type);
    document["bytes"] = std::filesystem::file_size(settings.model);
    document["license"] = opened.info.license;
    document["step"] = opened.info.step;
    document["epoch"] = opened.info.epoch;
    text += "classes: " + join(opened.info.names, ", ") + "\n";
    text += "weights in " + precision_name(opened.info.number_type) + ", " +
            with_thousands(static_cast<long long>(std::filesystem::file_size(settings.model))) + " bytes" +
            (opened.info.license.empty() ? "" : ", licence " + opened.info.license) + "\n";
    if (opened.info.best_confidence) {
      document["best_confidence"] = *opened.info.best_confidence;
      text += "F1 on val best at confidence " + format_double(*opened.info.best_confidence) + "\n";
    }
    text += "step " + with_thousands(opened.info.step) + ", epoch " + with_thousands(opened.info.epoch) + "\n";
    text += "state " + hash + "\n\nnext: rtdetr predict model=" + shell_word(settings.model) + " source=photos/\n";
  } else {
    const std::string criterion = opened.model->head().criteria().front();
    const bool takes_more = criterion != "dfine" && criterion != "yolov8";  // of the encoder's queries for each box
    text += "\nnext: rtdetr train cfg=small-data model=" + shell_word(settings.model) + " data=bccd" +
            (takes_more ? "" : " one_to_many=0") + "\n";
  }
  print_text(settings, text);
  print_json(settings, document);
  return ExitCode::kOk;
}

}  // namespace rtdetr
