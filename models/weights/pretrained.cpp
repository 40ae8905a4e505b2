#include "models/weights/pretrained.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <utility>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/base/choices.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/weights/weights_file.h"
#include "models/graph/model_files.h"
#include "models/layers/module_tree.h"
#include "models/layers/state_constants.h"
#include "models/weights/checkpoint.h"
#include "models/weights/config_differences.h"
#include "models/weights/dfine_twin.h"
#include "models/weights/foreign_family.h"
#include "models/weights/foreign_weights.h"
#include "models/weights/norm_eps.h"
#include "models/weights/shared_entries.h"

namespace rtdetr {
namespace {

using RowPairs = std::vector<std::pair<std::int64_t, std::int64_t>>;  // (source row, target row)

std::string normalized(const std::string& name) {
  std::string text(trim(name));
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

RowPairs match_classes(const std::vector<std::string>& from, const std::vector<std::string>& to) {
  RowPairs rows;
  for (std::size_t t = 0; t < to.size(); ++t) {
    for (std::size_t f = 0; f < from.size(); ++f) {
      if (normalized(from[f]) != normalized(to[t])) continue;
      rows.emplace_back(f, t);
      break;
    }
  }
  return rows;
}

bool contains(const std::string& key, std::string_view word) { return key.find(word) != std::string::npos; }

/// The labels of denoising queries, under RT-DETR's name or DINO's.
bool is_denoising_table(const std::string& key) {
  return contains(key, "denoising_class_embed") || contains(key, "label_enc.");
}

/// The last convolution of a scale's scores in Detect: "model.22.cv3.0.2.weight".
bool scores_of_cells(const std::string& key) {
  constexpr std::string_view kBranch = ".cv3.";
  const auto at = key.find(kBranch);
  if (at == std::string::npos) return false;
  const std::string rest = key.substr(at + kBranch.size());
  const std::size_t dot = rest.find('.');
  if (dot == std::string::npos || !parse_integer(rest.substr(0, dot))) return false;
  return rest.substr(dot) == ".2.weight" || rest.substr(dot) == ".2.bias";
}

/// Whether the entry has one row per class; the denoising embedding perhaps with one more for padding.
bool rows_are_classes(const std::string& key, const torch::Tensor& tensor, std::size_t classes) {
  const std::int64_t more = tensor.dim() > 0 && classes > 0 ? tensor.size(0) - static_cast<std::int64_t>(classes) : -1;
  if (is_denoising_table(key)) return more == 0 || more == 1;
  return more == 0 && (contains(key, "score_head") || contains(key, "class_embed.") || scores_of_cells(key));
}

/// The rows of the classes, and that of padding if both have one.
void copy_rows(const torch::Tensor& source, const torch::Tensor& target, const RowPairs& rows, std::size_t from,
               std::size_t to) {
  for (const auto& [row, into] : rows) target[into].copy_(source[row]);
  const auto padding = static_cast<std::int64_t>(from), into = static_cast<std::int64_t>(to);
  if (source.size(0) > padding && target.size(0) > into) target[into].copy_(source[padding]);
}

/// "decoder.decoder.layers.5.norm1.bias" → 6; a name of no layer, or of one that no model has → 0.
std::int64_t layers_up_to(const std::string& key) {
  constexpr std::string_view kLayer = "decoder.layers.";
  constexpr long long kMostLayers = 1000;
  const auto at = key.find(kLayer);
  if (at == std::string::npos) return 0;
  const std::string rest = key.substr(at + kLayer.size());
  const long long layer = parse_integer(rest.substr(0, rest.find('.'))).value_or(-1);
  return layer >= 0 && layer < kMostLayers ? layer + 1 : 0;
}

/// Gives the model's entries the weights of one file.
class Transfer {
 public:
  using Fate = TransferredEntry::Fate;

  Transfer(const TensorMap& weights, const std::vector<std::string>& from, const std::vector<std::string>& to)
      : weights_(weights), from_(from.size()), to_(to.size()), rows_(match_classes(from, to)) {
    same_classes_ = rows_.size() == to_ && rows_.size() == from_ &&
                    std::all_of(rows_.begin(), rows_.end(), [](const auto& pair) { return pair.first == pair.second; });
  }

  std::int64_t common_classes() const { return static_cast<std::int64_t>(rows_.size()); }

  TransferredEntry fill(const std::string& key, const torch::Tensor& target) const {
    const auto source = weights_.find(key);
    if (source == weights_.end()) return {Fate::kMissing, key, ""};
    const Fate fate = fill_from(source->second, key, target);
    if (fate != Fate::kMisfit) return {fate, key, ""};
    return {fate, key, described(source->second) + " in the file, " + described(target) + " here"};
  }

  /// A constant keeps its value, whatever the file's.
  TransferredEntry compare(const std::string& key, double value) const {
    const auto source = weights_.find(key);
    if (source == weights_.end()) return {Fate::kMissing, key, ""};
    if (says_constant(source->second, value)) return {Fate::kWhole, key, ""};
    return {Fate::kMisfit, key, other_constant(source->second, value)};
  }

 private:
  static std::string described(const torch::Tensor& tensor) {
    return tensor.is_floating_point() ? c10::str(tensor.sizes()) : c10::str(tensor.scalar_type(), tensor.sizes());
  }

  Fate fill_from(const torch::Tensor& source, const std::string& key, const torch::Tensor& target) const {
    if (target.is_floating_point() && !source.is_floating_point()) return Fate::kMisfit;  // quantised ones
    const bool same_rows =
        source.dim() > 0 && source.dim() == target.dim() && source.sizes().slice(1) == target.sizes().slice(1);
    const bool fits = source.sizes() == target.sizes();
    if ((!same_classes_ || !fits) && same_rows && rows_are_classes(key, source, from_) &&
        rows_are_classes(key, target, to_)) {
      if (rows_.empty()) return Fate::kNoClass;
      copy_rows(source, target, rows_, from_, to_);
      return Fate::kByClass;
    }
    if (fits) {
      target.copy_(source);
      return Fate::kWhole;
    }
    if (!same_rows || !takes_first_rows(key, source.size(0), target.size(0))) return Fate::kMisfit;
    const std::int64_t rows = std::min(source.size(0), target.size(0));
    target.slice(0, 0, rows).copy_(source.slice(0, 0, rows));
    return Fate::kFirstRows;
  }

  /// Learnt queries and their boxes; and classes that the file does not name, as many as the model's, with padding on
  /// one side.
  bool takes_first_rows(const std::string& key, std::int64_t there, std::int64_t here) const {
    if (contains(key, "tgt_embed") || contains(key, "refpoint_embed")) return true;
    const std::int64_t few = std::min(there, here), many = std::max(there, here);
    return from_ == 0 && is_denoising_table(key) && many == few + 1 && few == static_cast<std::int64_t>(to_);
  }

  const TensorMap& weights_;
  std::size_t from_, to_;
  RowPairs rows_;  ///< of the classes
  bool same_classes_ = false;
};

bool is_wanted(ModelPart part, WeightsParts parts) {
  if (parts == WeightsParts::kAll || part == ModelPart::kBackbone) return true;
  return parts == WeightsParts::kBackboneAndEncoder && part == ModelPart::kEncoder;
}

}  // namespace

std::int64_t TransferReport::count(TransferredEntry::Fate fate) const {
  return std::count_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.fate == fate; });
}

std::int64_t TransferReport::taken() const {
  using Fate = TransferredEntry::Fate;
  return count(Fate::kWhole) + count(Fate::kByClass) + count(Fate::kFirstRows);
}

std::int64_t TransferReport::of_model() const {
  return static_cast<std::int64_t>(entries.size()) - count(TransferredEntry::Fate::kUnused);
}

TransferReport transfer_weights(DetectionModelImpl& model, const std::vector<std::string>& to_classes,
                                const TensorMap& weights, const std::vector<std::string>& from_classes,
                                WeightsParts parts) {
  using Fate = TransferredEntry::Fate;
  const torch::NoGradGuard no_grad;
  const Transfer transfer(weights, from_classes, to_classes);
  const ModelParts parts_of_model(model);
  const std::map<std::string, double> constants = constants_of(model);
  TransferReport report;
  report.classes = transfer.common_classes();
  std::set<std::string> known;
  for (const auto& [key, value] : named_state(model)) {
    known.insert(key);
    const ModelPart part = parts_of_model.of(key);
    const auto constant = constants.find(key);
    if (!is_wanted(part, parts))
      report.entries.push_back({Fate::kLeftOut, key, ""});
    else
      report.entries.push_back(constant != constants.end() ? transfer.compare(key, constant->second)
                                                           : transfer.fill(key, value.detach()));
    report.entries.back().part = part;
  }
  for (const auto& [key, tensor] : weights) {
    report.file_layers = std::max(report.file_layers, layers_up_to(key));
    if (!known.contains(key)) report.entries.push_back({Fate::kUnused, key, "", parts_of_model.of(key)});
  }
  return report;
}

namespace {

/// "mean 0.485, 0.456, 0.406 and deviation 0.229, 0.224, 0.225"; what a model does not say is 0 and 1.
std::string normalisation_of(const ModelSpec& spec) {
  const auto words = [](const std::vector<double>& numbers, const char* none) {
    std::vector<std::string> texts;
    for (const double number : numbers) texts.push_back(format_double(number));
    return texts.empty() ? none : join(texts, ", ");
  };
  return "mean " + words(spec.mean, "0") + " and deviation " + words(spec.deviation, "1");
}

void warn_of_other_pictures(const ModelSpec& of_weights, const ModelSpec& here, const std::string& name) {
  const std::string theirs = normalisation_of(of_weights), ours = normalisation_of(here);
  if (theirs == ours) return;
  log::warning(name + ": its model normalises pictures by " + theirs + ", and this one by " + ours +
               ". The weights are taken all the same, and meet pictures that they were not trained for");
}

ForeignWeights of_our_file(const WeightsFile& file, const ModelInfo& info, const std::string& name,
                           const ModelSpec& here) {
  if (info.fused) {
    throw CheckpointError(name +
                          ": an exported file: its normalisation is folded into its convolutions, which is not undone, "
                          "so a training cannot begin with it; take the checkpoint that it was exported from");
  }
  ForeignWeights found;
  found.tensors = weights_among(load_tensors(file));
  found.names = info.names;
  const ModelSpec spec = parse_model_spec(info.model_yaml, name + " (model_yaml)");
  found.norm_eps = spec.batch_norm_eps;
  warn_of_other_pictures(spec, here, name);
  return found;
}

/// For a file of which nothing fits: what each side is like.
std::string names_on_both_sides(const WeightsFile& file, const torch::nn::Module& module) {
  constexpr std::size_t kShown = 3;
  std::vector<std::string> theirs, ours;
  for (const WeightTensor& tensor : file.tensors())
    if (theirs.size() < kShown) theirs.push_back(tensor.name);
  for (const auto& [name, value] : named_state(module))
    if (ours.size() < kShown) ours.push_back(name);
  const std::string has = theirs.empty() ? "has no tensor" : "has " + join(theirs, ", ") + ", …";
  return ": the file " + has + "; the model has " + join(ours, ", ") +
         ", …; nothing was taken. Is it another model's file, or ImageNet weights, which backbone_weights= takes?";
}

bool share_a_name(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return !match_classes(a, b).empty();
}

/// Where the weights' own model computes something else than this one and shapes do not show it; empty if nothing says
/// so.
std::string what_model_it_was(const WeightsFile& file, const std::string& name, const std::string& layout,
                              const ModelSpec& model) {
  if (layout.starts_with("Hugging Face")) return config_remark(name, layout.ends_with("D-FINE"), model);
  const std::string twin = twin_remark(tell_twin(twin_clues(file, name), FrozenNorms::kUnknown), model);
  return twin.empty() ? "" : name + ": " + twin;
}

ForeignWeights of_foreign_file(const WeightsFile& file, const std::string& name, const DetectionModelImpl& module,
                               const std::vector<std::string>& to_classes) {
  std::set<std::string> keys;
  for (const auto& [key, value] : named_state(module)) keys.insert(key);
  ForeignWeights found = find_weights(file, keys, name);
  if (found.names_are_cocos && !share_a_name(found.names, to_classes)) found.names.clear();
  if (const std::string other = what_model_it_was(file, name, found.layout, module.spec()); !other.empty())
    log::warning(other + ". The weights are taken all the same, and meet what they were not trained for");
  return found;
}

std::string remark_on(const ForeignWeights& found) {
  std::string remark;
  if (!found.layout.empty()) remark = "; its names are those of " + found.layout;
  if (!found.part.empty()) remark += "; they are its '" + found.part + "'";
  if (found.names.empty())
    remark += "; it names no classes: they are taken in their order where their number is the model's";
  else if (found.names_are_cocos)
    remark += "; it names no classes: its " + std::to_string(found.names.size()) + " are taken for COCO's";
  return remark;
}

}  // namespace

TransferReport take_weights(DetectionModelImpl& model, const std::vector<std::string>& to_classes,
                            const std::string& file, WeightsParts parts) {
  const std::unique_ptr<WeightsFile> opened = open_weights(file);
  const bool ours = has_model_info(opened->metadata());
  std::optional<PictureForm> pictures;
  ForeignWeights found;
  if (ours) {
    const ModelInfo info = to_model_info(opened->metadata(), file);
    found = of_our_file(*opened, info, file, model.spec());
    pictures = {info.resampling, info.fit};
  } else {
    found = of_foreign_file(*opened, file, model, to_classes);
    if (const auto place = find_model(*opened)) pictures = picture_form_of(*place);
  }
  settle_shared_entries(found.tensors, model, file);
  std::string remark = ours ? "" : remark_on(found);
  if (const std::int64_t norms = rescale_norms(found.tensors, model, found.norm_eps); norms > 0)
    remark += "; " + words_for_rescaled(norms, found.norm_eps);
  TransferReport report = transfer_weights(model, to_classes, found.tensors, found.names, parts);
  report.pictures = pictures;
  if (report.count(TransferredEntry::Fate::kWhole) == 0)
    throw CheckpointError(file + ": no entry fits the model" + names_on_both_sides(*opened, model));
  const ModelParts parts_of_model(model);
  for (const std::string& key : found.unexpected)
    report.entries.push_back({TransferredEntry::Fate::kUnused, key, "", parts_of_model.of(key)});
  log::info(describe(report, file) + remark);
  if (const std::string text = shortfall(report, file); !text.empty()) log::warning(text);
  return report;
}

std::string describe(const TransferReport& report, const std::string& file) {
  std::string text = file + ": " + std::to_string(report.taken()) + " of the model's " +
                     std::to_string(report.of_model()) + " entries taken over";
  if (const std::int64_t by_class = report.count(TransferredEntry::Fate::kByClass); by_class > 0) {
    text += ", " + std::to_string(by_class) + " of them class by class (" + std::to_string(report.classes) +
            " classes match by name)";
  }
  return text;
}

std::string shortfall(const TransferReport& report, const std::string& file) {
  using Fate = TransferredEntry::Fate;
  constexpr double kEnough = 0.9;
  const std::int64_t wanted = report.of_model() - report.count(Fate::kLeftOut);
  if (static_cast<double>(report.taken()) >= kEnough * static_cast<double>(wanted)) return "";
  std::map<ModelPart, std::int64_t> kept;
  for (const TransferredEntry& entry : report.entries) {
    const bool begins_untrained =
        entry.fate == Fate::kNoClass || entry.fate == Fate::kMissing || entry.fate == Fate::kMisfit;
    if (begins_untrained) ++kept[entry.part];
  }
  std::vector<std::string> parts;
  for (const auto& [part, count] : kept)
    parts.push_back(word_of(part, kModelPartWords) + " (" + std::to_string(count) + ")");
  return "only " + std::to_string(report.taken()) + " of the model's " + std::to_string(wanted) +
         " entries come from " + file +
         "; these parts, with their number of entries, begin untrained: " + join(parts, ", ");
}

}  // namespace rtdetr
