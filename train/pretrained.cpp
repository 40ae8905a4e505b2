#include "train/pretrained.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <utility>

#include <torch/torch.h>

#include "core/io/text.h"
#include "models/model.h"

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

std::string describe(const TransferReport& report, const std::string& file) {
  const auto total = report.copied + report.by_class + static_cast<std::int64_t>(report.kept.size());
  std::string text = file + ": " + std::to_string(report.copied + report.by_class) + " of the model's " +
                     std::to_string(total) + " entries taken over";
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

}  // namespace rtdetr
