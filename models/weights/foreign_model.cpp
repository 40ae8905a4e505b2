#include "models/weights/foreign_model.h"

#include <algorithm>
#include <numeric>
#include <set>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/io/utf8.h"
#include "core/weights/hugging_face.h"
#include "models/graph/resolve.h"
#include "models/layers/batch_norm.h"
#include "models/layers/deformable_attention.h"
#include "models/layers/fuse.h"
#include "models/layers/module_tree.h"
#include "models/weights/class_names.h"
#include "models/weights/foreign_family.h"
#include "models/weights/foreign_weights.h"
#include "models/weights/norm_eps.h"
#include "models/weights/shared_entries.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBatchCounter = "num_batches_tracked", kScaleOfPoints = "num_points_scale";

/// Tables that a program computed when it started, and counters of norms that are frozen here.
bool is_computed(const std::string& key) {
  return std::ranges::any_of(std::vector<std::string_view>{kBatchCounter, kScaleOfPoints, "anchors", "valid_mask"},
                             [&](std::string_view end) { return key.ends_with(end); });
}

/// Brings a file's tensors to exactly the model's keys, and notes how.
class StateFitter {
 public:
  StateFitter(ForeignState& state, const torch::nn::Module& model) : tensors_(state.tensors), report_(state.report) {
    for (const auto& [key, tensor] : named_state(model)) wanted_.emplace(key, tensor);
  }

  void fit() {
    if (report_.architecture.fused) fold_projections();
    fill_computed();
    leave_out();
    report_.loaded = static_cast<std::int64_t>(tensors_.size() - report_.counters.size() - report_.computed.size());
  }

 private:
  /// Ultralytics folds every norm but those of the decoder's projections: `input_proj.0.{0,1}`.
  void fold_projections() {
    const torch::NoGradGuard no_grad;
    constexpr std::string_view kVariance = ".1.running_var";
    std::vector<std::string> projections;
    for (const auto& [key, tensor] : tensors_) {
      const std::string path = key.substr(0, key.size() - std::min(key.size(), kVariance.size()));
      if (key.ends_with(kVariance) && wanted_.contains(path + ".0.bias")) projections.push_back(path);
    }
    for (const std::string& path : projections) fold(path);
  }

  void fold(const std::string& path) {
    const auto part = [&](const char* name) {
      const auto found = tensors_.find(path + name);
      return found == tensors_.end() ? torch::Tensor() : found->second.to(torch::kFloat64);
    };
    const torch::Tensor kernel = part(".0.weight"), variance = part(".1.running_var");
    BatchNorm norm(variance.numel(), BatchNormOptions{.eps = report_.file_eps, .frozen = true});
    norm->to(torch::kFloat64);
    for (auto& [key, target] : named_state(*norm)) {
      const torch::Tensor value = part((".1." + key).c_str());
      if (!value.defined() || value.sizes() != target.sizes() || !kernel.defined() || kernel.dim() != 4 ||
          kernel.size(0) != value.size(0))
        return;  // missing or misshapen, which is told as such
      torch::Tensor(target).copy_(value);
    }
    const FoldedKernel folded = fold_norm(kernel, {}, *norm);
    for (const char* name : {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"})
      tensors_.erase(path + ".1." + name);
    tensors_[path + ".0.weight"] = folded.weight;
    tensors_[path + ".0.bias"] = folded.bias;
    report_.reshaped.push_back(path + ".0.weight");
  }

  /// Tables that the file does without.
  void fill_computed() {
    for (const auto& [key, value] : wanted_) {
      if (tensors_.contains(key) || !key.ends_with(kScaleOfPoints)) continue;
      tensors_.emplace(key, value);
      report_.computed.push_back(key);
    }
  }

  void leave_out() {
    const bool fused = report_.architecture.fused;
    for (auto at = tensors_.begin(); at != tensors_.end();) {
      if (wanted_.contains(at->first)) {
        ++at;
        continue;
      }
      const bool of_training = fused && at->first.ends_with("denoising_class_embed.weight");
      (of_training || is_computed(at->first) ? report_.left_out : report_.unexpected).push_back(at->first);
      at = tensors_.erase(at);
    }
  }

  TensorMap& tensors_;
  ForeignReport& report_;
  std::map<std::string, torch::Tensor> wanted_;
};

/// Twelve points are 4 of each of three levels, or 3, 6 and 3, which only their scale shows: it is the model's but for
/// half precision.
void refuse_other_points(const torch::nn::Module& model, const TensorMap& tensors, const std::string& origin) {
  constexpr double kOfHalf = 1e-3;
  for (const auto& item : model.named_modules()) {
    const auto* attention = item.value()->as<DeformableAttentionImpl>();
    const auto scale = tensors.find(item.key() + "." + std::string(kScaleOfPoints));
    if (attention == nullptr || scale == tensors.end()) continue;
    std::vector<double> expected;
    std::vector<std::string> points;
    for (const std::int64_t count : attention->options().points) {
      expected.insert(expected.end(), static_cast<std::size_t>(count), 1.0 / static_cast<double>(count));
      points.push_back(std::to_string(count));
    }
    const torch::Tensor wanted = torch::tensor(expected, torch::kFloat64);
    if (scale->second.sizes() != wanted.sizes()) continue;  // told as misshapen
    if (torch::allclose(scale->second.to(torch::kFloat64), wanted, /*rtol=*/0, kOfHalf)) continue;
    throw CheckpointError(origin + ": its '" + scale->first + "' is not that of " + join(points, ", ") +
                          " sampling points on the model's levels: other weights would be sampled. Give the model that "
                          "they belong to, model=YAML with its points: [of each level]");
  }
}

/// Weights of another model would compute something else.
void refuse_unknown(const ForeignReport& report, const std::string& origin) {
  if (report.unexpected.empty()) return;
  throw CheckpointError(origin + ": recognised as " + report.architecture.sentence + ", but " +
                        counted(static_cast<long long>(report.unexpected.size()), "tensor") +
                        (report.unexpected.size() == 1 ? " of the file has" : " of the file have") +
                        " no place in it, such as '" + printable(report.unexpected.front()) +
                        "': another model, which would not be the same without them. To leave them out, give the "
                        "model, model=" +
                        report.architecture.spec.name);
}

void require_names_for_all(const Architecture& architecture, const ForeignModelOptions& options) {
  const auto classes = static_cast<std::int64_t>(options.names.size());
  if (classes != 0 && classes != architecture.spec.num_classes)
    throw ConfigError("data= names " + words_for_classes(classes) + ", but the weights have " +
                      std::to_string(architecture.spec.num_classes));
}

ModelInfo info_of(const Architecture& architecture, const ForeignModelOptions& options) {
  ModelInfo info;
  const ImageSize size =
      options.size.is_set() ? options.size : architecture.size.value_or(ImageSize{info.height, info.width});
  info.height = size.height;
  info.width = size.width;
  info.resampling = architecture.pictures.resampling;
  info.fit = architecture.pictures.fit;
  info.names = options.names.empty() ? architecture.names : options.names;
  for (std::int64_t c = 0, none = info.names.empty() ? architecture.spec.num_classes : 0; c < none; ++c)
    info.names.push_back(std::to_string(c));
  info.category_ids = options.category_ids;
  if (info.category_ids.empty() && info.names == coco_names()) info.category_ids = coco_category_ids();
  if (info.category_ids.size() != info.names.size()) {
    info.category_ids.resize(info.names.size());
    std::iota(info.category_ids.begin(), info.category_ids.end(), 0);
  }
  return info;
}

}  // namespace

bool is_own_model_file(const FileMetadata& metadata) {
  return has_model_info(metadata) || metadata.contains("model_yaml");
}

bool holds_foreign_model(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored) || is_shard_index(path) || holds_torch_weights(path)) return true;
  return !is_own_model_file(SafetensorsReader(path).metadata());
}

ForeignState read_foreign_state(const fs::path& path, const ForeignModelOptions& options) {
  const fs::path weights = weights_file_at(path);
  const std::string origin = weights.string();
  const std::unique_ptr<WeightsFile> file = open_weights(weights);
  const ForeignPlace place = locate_model(*file, origin);
  ForeignState state;
  ForeignReport& report = state.report;
  report.architecture = recognise_architecture(*file, weights, options.spec);
  require_names_for_all(report.architecture, options);
  report.others = other_contents(*file, place);
  BuildOptions said;
  said.num_queries = options.num_queries;
  state.spec = resolve_spec(report.architecture.spec, said);

  BuildOptions without_memory;
  without_memory.shapes_only = true;
  DetectionModel shapes = build_model(state.spec, without_memory);
  if (report.architecture.fused) shapes->fuse();
  std::set<std::string> keys;
  for (const auto& [key, tensor] : named_state(*shapes)) keys.insert(key);
  ForeignWeights loaded = read_weights(*file, reading_at(*file, place, origin), keys, origin);
  state.tensors = std::move(loaded.tensors);
  report.joined = loaded.joined;
  report.counters = std::move(loaded.counters);
  report.left_out = std::move(loaded.left_out);
  report.unexpected = std::move(loaded.unexpected);
  report.file_eps = loaded.norm_eps;
  settle_shared_entries(state.tensors, *shapes, origin);
  refuse_other_points(*shapes, state.tensors, origin);
  StateFitter(state, *shapes).fit();
  if (!options.spec) refuse_unknown(report, origin);
  load_state(*shapes, state.tensors, origin);  // only looks whether all fits: these have no memory
  report.rescaled = rescale_norms(state.tensors, *shapes, report.file_eps);
  return state;
}

DetectionModel build_foreign_model(ForeignState& state) {
  BuildOptions build;
  build.initial_weights = false;
  DetectionModel model = build_model(state.spec, build);
  if (state.report.architecture.fused) model->fuse();
  model->eval();
  for (const auto& [key, value] : named_state(*model))
    if (std::ranges::find(state.report.computed, key) != state.report.computed.end()) state.tensors[key] = value;
  return model;
}

ForeignModel read_foreign_model(const fs::path& path, const ForeignModelOptions& options) {
  ForeignState state = read_foreign_state(path, options);
  ForeignModel model;
  model.loaded.model = build_foreign_model(state);
  load_state(*model.loaded.model, state.tensors, path.string());
  model.loaded.info = describe_model(model.loaded.model, info_of(state.report.architecture, options));
  model.report = std::move(state.report);
  return model;
}

LoadedModel load_foreign_model(const fs::path& path) {
  ForeignModel model = read_foreign_model(path);
  const Architecture& found = model.report.architecture;
  log::info(path.string() + ": " + found.sentence);
  if (!found.assumed.empty()) log::info("assumed: " + join(found.assumed, "; "));
  return std::move(model.loaded);
}

}  // namespace rtdetr
