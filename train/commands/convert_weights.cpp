#include "train/commands/convert_weights.h"

#include <filesystem>

#include <nlohmann/json.hpp>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/io/file.h"
#include "core/io/utf8.h"
#include "data/dataset/dataset.h"
#include "models/graph/model_files.h"
#include "models/layers/module_tree.h"
#include "models/weights/foreign_model.h"
#include "models/weights/norm_eps.h"
#include "train/commands/exported_file.h"
#include "train/commands/output_file.h"
#include "train/report/output.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

constexpr std::size_t kMostOthers = 40;

ForeignModelOptions options_of(const Settings& settings) {
  ForeignModelOptions options;
  if (!settings.model.empty()) options.spec = load_model_spec(settings.model);
  if (settings.num_queries > 0) options.num_queries = settings.num_queries;
  options.size = settings.imgsz;
  if (settings.data.empty()) return options;
  const DatasetConfig config = load_dataset_config(settings.data);
  const ClassList classes = load_dataset(config, config.find("train") ? "train" : "val").classes;
  options.names = classes.names;
  options.category_ids = classes.category_ids;
  return options;
}

/// One of our own files is only written anew: a run's last.safetensors becomes a model file.
ForeignModel read_any(const Settings& settings) {
  if (holds_foreign_model(settings.weights)) return read_foreign_model(settings.weights, options_of(settings));
  for (const char* key : {"model", "imgsz", "num_queries", "data"})
    if (settings.is_given(key))
      throw ConfigError(std::string(key) + "=" + settings.origin_of(key) + ": " + settings.weights +
                        " is a model file of ours, which has its own");
  ForeignModel own;
  own.loaded = load_own_model(settings.weights);
  own.report.architecture.spec = own.loaded.model->spec();
  own.report.architecture.sentence = "a model file of ours, " + own.loaded.info.model_name;
  own.report.loaded = static_cast<std::int64_t>(named_state(*own.loaded.model).size());
  return own;
}

/// Names out of a file, for the terminal.
Names shown_names(const Names& names, std::size_t most) {
  Names shown;
  for (const std::string& name : names)
    if (shown.size() < most) shown.push_back(printable(name));
  return shown;
}

/// "3: a, b, c", of more than eight the first ones.
std::string counted_names(const Names& names) {
  constexpr std::size_t kShown = 8;
  Names shown = shown_names(names, kShown);
  if (names.size() > kShown) shown.emplace_back("…");
  return with_thousands(static_cast<long long>(names.size())) + ": " + join(shown, ", ");
}

std::string report_text(const Settings& settings, const ForeignReport& report) {
  std::string text = wrapped(settings.weights + ": " + report.architecture.sentence, 2) + "\n";
  const auto line = [&](const std::string& words) { text += "  " + wrapped(words, 4) + "\n"; };
  line(counted(report.loaded, "tensor") + " loaded, none missing" +
       (report.joined > 0 ? "; " + std::to_string(report.joined) + " of them joined from three" : ""));
  if (report.rescaled > 0) line(words_for_rescaled(report.rescaled, report.file_eps));
  if (!report.counters.empty()) line("counters of batches that begin at 0: " + counted_names(report.counters));
  if (!report.reshaped.empty()) line("folded here: " + counted_names(report.reshaped));
  if (!report.computed.empty()) line("not in the file, and computed: " + counted_names(report.computed));
  if (!report.left_out.empty()) line("of the file, not needed: " + counted_names(report.left_out));
  if (!report.unexpected.empty()) line("of the file, unexpected: " + counted_names(report.unexpected));
  if (!report.others.empty())
    line("also in the file, not taken: " + join(shown_names(report.others, kMostOthers), ", "));
  for (const std::string& assumed : report.architecture.assumed) line("assumed: " + assumed);
  return text;
}

std::string next_command(const Settings& settings, const ForeignModel& model) {
  const std::string name = model.report.architecture.spec.name, output = shell_word(settings.output);
  if (model.loaded.info.fused) return "rtdetr predict model=" + output + " source=photos/";
  const std::string yaml = !settings.yaml.empty()          ? shell_word(settings.yaml)
                           : find_model_file(name).empty() ? output
                                                           : name;
  return "rtdetr train cfg=finetune model=" + yaml + " weights=" + output + " data=bccd";
}

void require_new_files(const Settings& settings) {
  require_output_file(settings, settings.weights, "file that is converted");
  if (settings.yaml.empty()) return;
  require_output_file(settings, "yaml", settings.yaml, settings.weights, "file that is converted");
  if (!settings.model.empty())
    require_output_file(settings, "yaml", settings.yaml, find_model_file(settings.model), "model");
}

void write(const Settings& settings, const ForeignModel& model) {
  const auto verify = [&](const fs::path& unpublished) { load_own_model(unpublished); };
  remove_leftover_temporaries_of(settings.output);
  synced_or_said([&] { save_model(settings.output, model.loaded.model, model.loaded.info, {}, {.verify = verify}); });
  if (!settings.yaml.empty())
    synced_or_said([&] { write_text_atomically(settings.yaml, model.loaded.info.model_yaml); });
}

}  // namespace

ExitCode convert_weights(const Settings& settings) {
  require_new_files(settings);
  ForeignModel model = read_any(settings);
  ModelInfo& info = model.loaded.info;
  const ImageSize size =
      resolve_image_size(settings, ImageSize{info.height, info.width}, model.loaded.model->stride(), info.fit);
  write(settings, model);
  const ForeignReport& report = model.report;
  const auto bytes = static_cast<long long>(fs::file_size(settings.output));
  print_text(settings, report_text(settings, report) + settings.output + ": " + with_thousands(bytes) +
                           " bytes, input " + std::to_string(size.height) + "x" + std::to_string(size.width) +
                           (settings.yaml.empty() ? "" : "\n" + settings.yaml + ": its YAML") +
                           "\n\nnext: " + next_command(settings, model) + "\n");
  print_json(settings, {{"output", settings.output},
                        {"bytes", bytes},
                        {"weights", settings.weights},
                        {"recognised", report.architecture.sentence},
                        {"model", info.model_name},
                        {"yaml", info.model_yaml},
                        {"yaml_file", settings.yaml},
                        {"assumed", report.architecture.assumed},
                        {"fused", info.fused},
                        {"names", info.names},
                        {"imgsz", {size.height, size.width}},
                        {"loaded", report.loaded},
                        {"joined", report.joined},
                        {"rescaled", report.rescaled},
                        {"missing", Names{}},
                        {"counters", report.counters},
                        {"reshaped", report.reshaped},
                        {"computed", report.computed},
                        {"left_out", report.left_out},
                        {"unexpected", report.unexpected},
                        {"also_in_file", report.others}});
  return ExitCode::kOk;
}

}  // namespace rtdetr
