#include "models/weights/checkpoint.h"

#include <torch/nn/module.h>
#include <torch/types.h>

#include <array>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/choices.h"
#include "core/base/error.h"
#include "core/base/text.h"
#include "core/image/placement.h"
#include "core/io/read_only_file.h"
#include "models/graph/model_files.h"
#include "models/layers/fold_shapes.h"
#include "models/layers/module_tree.h"
#include "models/layers/state_constants.h"
#include "models/weights/foreign_model.h"
#include "models/weights/number_type.h"

namespace rtdetr {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "rtdetr";
constexpr std::int64_t kFormatVersion = 1;
constexpr std::int64_t kLongestSide = 16384;  // of the input, as of imgsz=
constexpr std::size_t kListedKeys = 8;        // of each kind of mistake in a message

/// Reads entries and says which one is wrong.
class MetadataReader {
 public:
  MetadataReader(const FileMetadata& metadata, const std::filesystem::path& file) : metadata_(metadata), file_(file) {}

  const std::string& text(const std::string& key) const {
    const auto found = metadata_.find(key);
    if (found == metadata_.end()) fail("is damaged: it has no metadata entry '" + key + "'");
    return found->second;
  }
  std::string text_or_empty(const std::string& key) const { return metadata_.contains(key) ? text(key) : ""; }
  std::int64_t integer(const std::string& key) const {
    const auto value = parse_integer(text(key));
    if (!value) fail_entry(key, "an integer");
    return *value;
  }
  std::int64_t integer_or_zero(const std::string& key) const { return metadata_.contains(key) ? integer(key) : 0; }
  bool flag(const std::string& key) const {
    if (text(key) != "true" && text(key) != "false") fail_entry(key, "true or false");
    return text(key) == "true";
  }
  template <typename T>
  std::vector<T> list(const std::string& key, const std::string& of) const {
    try {
      return json::parse(text(key)).get<std::vector<T>>();
    } catch (const json::exception&) {
      fail_entry(key, "a JSON array of " + of);
    }
  }
  std::optional<double> share_or_none(const std::string& key) const {
    if (!metadata_.contains(key)) return std::nullopt;
    const auto value = parse_double(text(key));
    if (!value || !(*value >= 0 && *value <= 1)) fail_entry(key, "a number from 0 to 1");
    return value;
  }
  InputRanges ranges_or_none(const std::string& key) const {
    if (!metadata_.contains(key)) return {};
    InputRanges ranges;
    try {
      for (const auto& [name, pair] : json::parse(text(key)).get<std::map<std::string, std::vector<double>>>()) {
        constexpr double kMost = std::numeric_limits<float>::max();
        if (pair.size() != 2 || !(-kMost <= pair[0] && pair[0] <= pair[1] && pair[1] <= kMost))
          fail_entry(key, kRanges);
        ranges[name] = {static_cast<float>(pair[0]), static_cast<float>(pair[1])};
      }
    } catch (const json::exception&) {
      fail_entry(key, kRanges);
    }
    return ranges;
  }
  template <typename Value, std::size_t N>
  Value choice_or(const std::string& key, const std::array<Choice<Value>, N>& table, Value absent) const {
    if (!metadata_.contains(key)) return absent;
    for (const Choice<Value>& choice : table)
      if (text(key) == choice.word) return choice.value;
    fail_entry(key, join(words_of(table), " or "));
  }
  [[noreturn]] void fail(const std::string& what) const { throw CheckpointError(file_.string() + " " + what); }
  [[noreturn]] void fail_entry(const std::string& key, const std::string& expected) const {
    fail("is damaged: its metadata entry '" + key + "' is not " + expected + " but '" + text(key).substr(0, 60) + "'");
  }

 private:
  static constexpr const char* kRanges = "an object of [low, high]";
  const FileMetadata& metadata_;
  const std::filesystem::path& file_;
};

std::string text_of(const InputRanges& ranges) {
  json object = json::object();
  for (const auto& [name, range] : ranges) object[name] = {range.low, range.high};
  return object.dump();
}

std::string list_keys(const std::string& title, const std::vector<std::string>& keys) {
  if (keys.empty()) return "";
  std::string text = "\n  " + title + " (" + std::to_string(keys.size()) + "):";
  for (std::size_t i = 0; i < std::min(keys.size(), kListedKeys); ++i) text += " " + keys[i];
  return keys.size() > kListedKeys ? text + " …" : text;
}

DetectionModel build_described(const ModelInfo& info, const std::string& origin, const ModelCut& cut) {
  BuildOptions options;
  options.initial_weights = false;
  if (cut.decoder_layers > 0) options.decoder_layers = cut.decoder_layers;
  if (cut.num_queries > 0) options.num_queries = cut.num_queries;
  DetectionModel model = build_model(model_spec_of(info, origin), options);
  if (info.fused) {
    const FoldShapesAlone shapes;  // the weights come from the file
    model->fuse();
  }
  model->eval();
  return model;
}

TensorMap state_of(const torch::nn::Module& module) {
  TensorMap tensors;
  for (const auto& [key, tensor] : named_state(module)) tensors.emplace(key, tensor);
  return tensors;
}

/// Of a table with more rows than `wanted` the first ones: those of learnt queries, which are given out best token
/// first. With learnt boxes they have no order, and any are as good.
torch::Tensor first_rows(const torch::Tensor& table, const torch::Tensor& wanted) {
  const bool same_rows = table.dim() == wanted.dim() && table.dim() > 0 &&
                         table.sizes().slice(1) == wanted.sizes().slice(1) && table.size(0) > wanted.size(0);
  return same_rows ? table.narrow(0, 0, wanted.size(0)) : table;
}

/// The part of `tensors` that a cut model has.
TensorMap cut_to(const torch::nn::Module& module, const TensorMap& tensors) {
  TensorMap kept;
  for (const auto& [key, tensor] : named_state(module)) {
    const auto found = tensors.find(key);
    if (found != tensors.end()) kept.emplace(key, first_rows(found->second, tensor));
  }
  return kept;
}

}  // namespace

ModelSpec model_spec_of(const ModelInfo& info, const std::string& origin) {
  ModelSpec spec = parse_model_spec(info.model_yaml, origin + " (model_yaml)");
  spec.name = info.model_name;
  if (spec.num_classes != info.num_classes)
    throw CheckpointError(origin + " is damaged: its metadata have " + std::to_string(info.num_classes) +
                          " classes, its model " + std::to_string(spec.num_classes));
  return spec;
}

ModelInfo describe_model(const DetectionModel& model, ModelInfo info) {
  info.model_name = model->spec().name;
  info.model_yaml = model->spec().text;
  info.num_classes = model->num_classes();
  info.decoder_layers = model->num_decoder_layers();
  info.fused = model->fused();
  return info;
}

FileMetadata to_metadata(const ModelInfo& info) {
  FileMetadata entries{{"format", kFormat},
                       {"format_version", std::to_string(kFormatVersion)},
                       {"program_version", RTDETR_VERSION},
                       {"model_name", info.model_name},
                       {"model_yaml", info.model_yaml},
                       {"num_classes", std::to_string(info.num_classes)},
                       {"decoder_layers", std::to_string(info.decoder_layers)},
                       {"fused", info.fused ? "true" : "false"},
                       {"names", json(info.names).dump()},
                       {"category_ids", json(info.category_ids).dump()},
                       {"imgsz", json({info.height, info.width}).dump()},
                       {"resample", word_of(info.resampling, kResamplingWords)},
                       {"fit", word_of(info.fit, kFitWords)},
                       {"step", std::to_string(info.step)},
                       {"epoch", std::to_string(info.epoch)}};
  if (info.best_confidence) entries["best_confidence"] = format_double(*info.best_confidence);
  if (info.number_type != Precision::kFloat32) entries["dtype"] = precision_name(info.number_type);
  if (!info.license.empty()) entries["license"] = info.license;
  if (!info.input_ranges.empty()) entries["input_ranges"] = text_of(info.input_ranges);
  return entries;
}

bool has_model_info(const FileMetadata& metadata) {
  const auto format = metadata.find("format");
  return format != metadata.end() && format->second == kFormat;
}

ModelInfo to_model_info(const FileMetadata& metadata, const std::filesystem::path& file) {
  const MetadataReader read(metadata, file);
  if (!has_model_info(metadata))
    read.fail(
        "holds tensors, but not the model and the classes they belong to: its metadata have no entry 'format' that is "
        "'rtdetr'; train takes such weights: model=YAML weights=" +
        file.string());
  if (read.integer("format_version") > kFormatVersion)
    read.fail("was written by a newer version (" + read.text_or_empty("program_version") + ", format " +
              read.text("format_version") + "); this is " RTDETR_VERSION ", which reads format " +
              std::to_string(kFormatVersion));
  ModelInfo info;
  info.model_name = read.text("model_name");
  info.model_yaml = read.text("model_yaml");
  info.num_classes = read.integer("num_classes");
  info.decoder_layers = read.integer("decoder_layers");
  info.fused = read.flag("fused");
  info.names = read.list<std::string>("names", "texts");
  info.category_ids = read.list<std::int64_t>("category_ids", "integers");
  const auto size = read.list<std::int64_t>("imgsz", "two integers");
  const auto is_side = [](std::int64_t side) { return side >= 1 && side <= kLongestSide; };
  if (size.size() != 2 || !is_side(size[0]) || !is_side(size[1])) read.fail_entry("imgsz", "[height, width]");
  info.height = size[0];
  info.width = size[1];
  info.resampling = read.choice_or("resample", kResamplingWords, Resampling::kPillowBilinear);
  info.fit = read.choice_or("fit", kFitWords, Fit::kStretch);
  info.step = read.integer_or_zero("step");
  info.epoch = read.integer_or_zero("epoch");
  info.best_confidence = read.share_or_none("best_confidence");
  info.number_type = read.choice_or("dtype", kFloatWords, Precision::kFloat32);
  info.license = read.text_or_empty("license");
  info.input_ranges = read.ranges_or_none("input_ranges");
  const auto classes = static_cast<std::size_t>(info.num_classes);
  if (info.names.size() != classes || info.category_ids.size() != classes)
    read.fail("is damaged: " + std::to_string(info.num_classes) + " classes, but " + std::to_string(info.names.size()) +
              " names and " + std::to_string(info.category_ids.size()) + " category ids");
  return info;
}

namespace {

/// What a file's tensor lacks to be the module's, after its key; "" if it fits. Of a constant the number alone counts.
std::string misfit_of(const torch::Tensor& source, const torch::Tensor& target, const double* constant) {
  if (constant != nullptr) return says_constant(source, *constant) ? "" : other_constant(source, *constant);
  const bool kinds_match = source.is_floating_point() == target.is_floating_point();
  if (source.sizes() == target.sizes() && kinds_match) return "";
  return c10::str(source.scalar_type(), source.sizes(), " instead of ", target.scalar_type(), target.sizes());
}

/// The module's state but for its constants, which `tensors` fit. @throws CheckpointError  as load_state
std::vector<std::pair<std::string, torch::Tensor>> fitting_state(const torch::nn::Module& module,
                                                                 const TensorMap& tensors, const std::string& origin) {
  std::vector<std::string> missing, unexpected, misfit, others;
  std::set<std::string> wanted;
  std::vector<std::pair<std::string, torch::Tensor>> state;
  const std::map<std::string, double> constants = constants_of(module);
  for (const auto& [key, target] : named_state(module)) {
    wanted.insert(key);
    const auto found = tensors.find(key);
    if (found == tensors.end()) {
      missing.push_back(key);
      continue;
    }
    const auto constant = constants.find(key);
    const double* const value = constant == constants.end() ? nullptr : &constant->second;
    const std::string text = misfit_of(found->second, target, value);
    if (!text.empty()) (value ? others : misfit).push_back(key + " " + text);
    if (!value) state.emplace_back(key, target);
  }
  for (const auto& [key, tensor] : tensors) {
    if (!wanted.contains(key)) unexpected.push_back(key);
  }
  if (!missing.empty() || !unexpected.empty() || !misfit.empty() || !others.empty())
    throw CheckpointError(origin + " does not fit the model:" + list_keys("missing", missing) +
                          list_keys("unexpected", unexpected) + list_keys("of another shape or type", misfit) +
                          list_keys("numbers of the decoder's row, which must say the file's", others));
  return state;
}

/// As load_state, of tensors that nobody else has: those of the right type become the module's own.
void adopt_state(torch::nn::Module& module, const TensorMap& tensors, const std::string& origin) {
  const torch::NoGradGuard no_grad;
  for (auto& [key, target] : fitting_state(module, tensors, origin)) {
    const torch::Tensor& source = tensors.at(key);
    if (source.options().type_equal(target.options()) && source.is_contiguous())
      torch::Tensor(target).set_data(source);
    else
      torch::Tensor(target).copy_(source);
  }
}

}  // namespace

void load_state(torch::nn::Module& module, const TensorMap& tensors, const std::string& origin) {
  const torch::NoGradGuard no_grad;
  for (const auto& [key, target] : fitting_state(module, tensors, origin)) torch::Tensor(target).copy_(tensors.at(key));
}

TensorMap weights_among(TensorMap tensors) {
  constexpr std::string_view kAverage = "ema.";
  TensorMap averaged;
  for (const auto& [key, tensor] : tensors) {
    if (key.starts_with(kAverage)) averaged.emplace(key.substr(kAverage.size()), tensor);
  }
  return averaged.empty() ? tensors : averaged;
}

LoadedModel load_own_model(const std::filesystem::path& file) { return load_own_model(SafetensorsReader(file)); }

LoadedModel load_own_model(const SafetensorsReader& file) {
  TensorFile content = load_tensors(file);
  LoadedModel loaded;
  loaded.info = to_model_info(content.metadata, file.name());
  loaded.metadata = std::move(content.metadata);
  loaded.model = build_described(loaded.info, file.name(), {});
  adopt_state(*loaded.model, weights_among(std::move(content.tensors)), file.name());
  return loaded;
}

namespace {

LoadedModel cut_model(LoadedModel loaded, const std::string& origin, const ModelCut& cut) {
  const std::int64_t layers = loaded.model->num_decoder_layers();
  if (cut.decoder_layers < 0 || cut.decoder_layers > layers)
    throw ConfigError("decoder_layers=" + std::to_string(cut.decoder_layers) + ": " + origin + " has " +
                      std::to_string(layers));
  const std::int64_t queries = loaded.model->head().num_queries();
  if (cut.num_queries > queries && loaded.model->head().has_learnt_queries())
    throw ConfigError("num_queries=" + std::to_string(cut.num_queries) + ": " + origin + " has learnt " +
                      std::to_string(queries) + ", and no more can be made of them");
  // Where a model runs fewer layers than it has (eval_idx), all are a cut, too: that number is left out.
  const bool runs_all = loaded.model->head().usual_layers() == layers;
  const bool other_layers = cut.decoder_layers > 0 && (cut.decoder_layers != layers || !runs_all);
  const bool other_queries = cut.num_queries > 0 && cut.num_queries != queries;
  if (other_layers || other_queries) {
    const DetectionModel whole = loaded.model;
    loaded.model = build_described(loaded.info, origin, cut);
    load_state(*loaded.model, cut_to(*loaded.model, state_of(*whole)), origin);
    loaded.info = describe_model(loaded.model, loaded.info);
  }
  return loaded;
}

}  // namespace

LoadedModel load_model(const std::filesystem::path& file, const ModelCut& cut) {
  return cut_model(holds_foreign_model(file) ? load_foreign_model(file) : load_own_model(file), file.string(), cut);
}

LoadedModel load_model(std::span<const std::byte> bytes, const ModelCut& cut) {
  const SafetensorsReader file(ReadOnlyFile(bytes, "the model in memory"));
  if (!is_own_model_file(file.metadata()))
    throw CheckpointError(file.name() +
                          " is another program's file; from memory only files of rtdetr are opened: `rtdetr export` or "
                          "`rtdetr convert` makes one of it");
  return cut_model(load_own_model(file), file.name(), cut);
}

void save_model(const std::filesystem::path& file, const DetectionModel& model, const ModelInfo& info,
                const FileMetadata& extra, const AtomicWriteOptions& options) {
  const TensorMap tensors = state_of(*model);
  FileMetadata metadata = to_metadata(describe_model(model, info));
  metadata.insert(extra.begin(), extra.end());
  save_tensors(file, in_number_type(tensors, info.number_type), metadata, options);
}

}  // namespace rtdetr
