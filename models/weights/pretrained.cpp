#include "models/weights/pretrained.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <utility>

#include <torch/torch.h>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/weights/weights_file.h"
#include "models/graph/model.h"
#include "models/layers/module_tree.h"
#include "models/weights/checkpoint.h"
#include "models/weights/foreign_weights.h"

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

bool has_class_rows(const std::string& name) {
  return name.find("score_head") != std::string::npos || name.find("denoising_class_embed") != std::string::npos;
}

/// True if `source` has one row per class of the file and `target` one per class of the model, perhaps with one more
/// for padding on both sides.
bool rows_are_classes(const torch::Tensor& source, std::size_t from, const torch::Tensor& target, std::size_t to) {
  if (source.dim() == 0 || source.dim() != target.dim()) return false;
  const auto padding = source.size(0) - static_cast<std::int64_t>(from);
  if ((padding != 0 && padding != 1) || target.size(0) - static_cast<std::int64_t>(to) != padding) return false;
  return source.sizes().slice(1) == target.sizes().slice(1);
}

void copy_rows(const torch::Tensor& source, const torch::Tensor& target, const RowPairs& rows, std::size_t from,
               std::size_t to) {
  for (const auto& [row, into] : rows) target[into].copy_(source[row]);
  if (source.size(0) > static_cast<std::int64_t>(from)) {
    target[static_cast<std::int64_t>(to)].copy_(source[static_cast<std::int64_t>(from)]);
  }
}

}  // namespace

TransferReport transfer_weights(torch::nn::Module& module, const std::vector<std::string>& to_classes,
                                const TensorMap& weights, const std::vector<std::string>& from_classes) {
  torch::NoGradGuard no_grad;
  const RowPairs rows = match_classes(from_classes, to_classes);
  const bool same_classes =
      rows.size() == to_classes.size() && rows.size() == from_classes.size() &&
      std::all_of(rows.begin(), rows.end(), [](const auto& pair) { return pair.first == pair.second; });
  TransferReport report;
  report.classes = static_cast<std::int64_t>(rows.size());
  std::set<std::string> known;
  for (const auto& [name, value] : named_state(module)) {
    const torch::Tensor target = value.detach();
    known.insert(name);
    const auto source = weights.find(name);
    if (source == weights.end()) {
      report.kept.push_back(name);
    } else if (has_class_rows(name) && !same_classes &&
               rows_are_classes(source->second, from_classes.size(), target, to_classes.size())) {
      copy_rows(source->second, target, rows, from_classes.size(), to_classes.size());
      ++report.by_class;
    } else if (source->second.sizes() == target.sizes()) {
      target.copy_(source->second);
      ++report.copied;
    } else {
      report.kept.push_back(name);
    }
  }
  for (const auto& [name, tensor] : weights) {
    if (!known.contains(name)) report.unused.push_back(name);
  }
  return report;
}

namespace {

std::int64_t taken_by(const TransferReport& report) { return report.copied + report.by_class; }
std::int64_t entries_in(const TransferReport& report) {
  return taken_by(report) + static_cast<std::int64_t>(report.kept.size());
}

/// "backbone.stages.0.conv.weight" → "backbone.stages".
std::string part_of(const std::string& key) {
  const auto first = key.find('.');
  const auto second = first == std::string::npos ? first : key.find('.', first + 1);
  return key.substr(0, second);
}

}  // namespace

namespace {

/// Weights to start from, and how their classes are called.
struct Beginning {
  TensorMap tensors;
  std::vector<std::string> names;
  std::string remark;
};

Beginning of_our_file(const WeightsFile& file, const std::string& name) {
  const ModelInfo info = to_model_info(file.metadata(), name);
  if (info.fused) {
    throw CheckpointError(name +
                          ": an exported file: its normalisation is folded into its convolutions, which is not undone, "
                          "so a training cannot begin with it; take the checkpoint that it was exported from");
  }
  return {weights_among(load_tensors(file)), info.names, ""};
}

bool share_a_name(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return !match_classes(a, b).empty();
}

Beginning of_foreign_file(const WeightsFile& file, const std::string& name, const torch::nn::Module& module,
                          const std::vector<std::string>& to_classes) {
  std::set<std::string> keys;
  for (const auto& [key, value] : named_state(module)) keys.insert(key);
  ForeignWeights found = find_weights(file, keys, name);
  Beginning beginning{std::move(found.tensors), std::move(found.names), ""};
  if (!found.part.empty()) beginning.remark = "; they are its '" + found.part + "'";
  if (found.names_are_cocos && !share_a_name(beginning.names, to_classes)) beginning.names.clear();
  if (beginning.names.empty())
    beginning.remark += "; it names no classes: they are taken in their order where their number is the model's";
  else if (found.names_are_cocos)
    beginning.remark += "; it names no classes: its 80 are taken for COCO's";
  return beginning;
}

}  // namespace

void take_weights(torch::nn::Module& module, const std::vector<std::string>& to_classes, const std::string& file) {
  const std::unique_ptr<WeightsFile> opened = open_weights(file);
  Beginning beginning = has_model_info(opened->metadata()) ? of_our_file(*opened, file)
                                                           : of_foreign_file(*opened, file, module, to_classes);
  const TransferReport report = transfer_weights(module, to_classes, beginning.tensors, beginning.names);
  if (report.copied == 0) throw CheckpointError(file + ": no entry fits the model; another model's file?");
  log::info(describe(report, file) + beginning.remark);
  if (const std::string text = shortfall(report, file); !text.empty()) log::warning(text);
}

std::string describe(const TransferReport& report, const std::string& file) {
  std::string text = file + ": " + std::to_string(taken_by(report)) + " of the model's " +
                     std::to_string(entries_in(report)) + " entries taken over";
  if (report.by_class > 0) {
    text += ", " + std::to_string(report.by_class) + " of them class by class (" + std::to_string(report.classes) +
            " classes match by name)";
  }
  if (!report.kept.empty())
    text += "; " + std::to_string(report.kept.size()) + " keep their initial values, e.g. " + report.kept.front();
  if (!report.unused.empty())
    text += "; " + std::to_string(report.unused.size()) + " of the file are not used, e.g. " + report.unused.front();
  return text;
}

std::string shortfall(const TransferReport& report, const std::string& file) {
  constexpr double kEnough = 0.9;
  constexpr std::size_t kShown = 8;
  if (static_cast<double>(taken_by(report)) >= kEnough * static_cast<double>(entries_in(report))) return "";
  std::map<std::string, std::int64_t> kept;
  for (const std::string& key : report.kept) ++kept[part_of(key)];
  std::vector<std::string> parts;
  for (const auto& [part, count] : kept) parts.push_back(part + " (" + std::to_string(count) + ")");
  const std::string more = parts.size() > kShown ? " and " + std::to_string(parts.size() - kShown) + " more" : "";
  parts.resize(std::min(parts.size(), kShown));
  return "only " + std::to_string(taken_by(report)) + " of the model's " + std::to_string(entries_in(report)) +
         " entries come from " + file +
         "; these parts, with their number of entries, begin untrained: " + join(parts, ", ") + more;
}

}  // namespace rtdetr
