#include "train/loop/transfer_table.h"

#include <map>
#include <set>

#include <torch/types.h>

#include "core/base/text.h"
#include "train/report/output.h"

namespace rtdetr {
namespace {

using Fate = TransferredEntry::Fate;

/// Entries of one part by what became of them.
struct PartCounts {
  std::map<Fate, std::int64_t> by_fate;
  std::int64_t frozen = 0;

  std::int64_t operator[](Fate fate) const { return by_fate.contains(fate) ? by_fate.at(fate) : 0; }
  std::int64_t in_part() const { return (*this)[Fate::kByClass] + (*this)[Fate::kFirstRows]; }
  std::int64_t taken() const { return (*this)[Fate::kWhole] + in_part(); }
  std::int64_t kept() const {
    return (*this)[Fate::kNoClass] + (*this)[Fate::kMissing] + (*this)[Fate::kMisfit] + (*this)[Fate::kLeftOut];
  }
};

/// One reason of one part: how many entries, and the first of them.
struct Reason {
  std::int64_t entries = 0;
  const TransferredEntry* example = nullptr;
};
using Reasons = std::map<std::pair<ModelPart, Fate>, Reason>;

/// How a reason goes on behind "<part>: 3 "; nullptr for what needs none.
const char* words_for(Fate fate) {
  switch (fate) {
    case Fate::kWhole:
    case Fate::kByClass:
      return nullptr;
    case Fate::kNoClass:
      return "with no class in common";
    case Fate::kMissing:
      return "not in the file";
    case Fate::kMisfit:
      return "of another shape or constant";
    case Fate::kLeftOut:
      return "left out by weights_parts";
    case Fate::kFirstRows:
      return "of another number of rows, of which the first are taken";
    case Fate::kUnused:
      return "of the file that the model does not have";
  }
  return nullptr;
}

std::string reason_line(ModelPart part, Fate fate, const Reason& reason) {
  std::string text = "  " + word_of(part, kModelPartWords) + ": " + std::to_string(reason.entries) + " " +
                     words_for(fate) + ", e.g. " + reason.example->key;
  if (!reason.example->shapes.empty()) text += " " + reason.example->shapes;
  return wrapped(text, 4) + "\n";
}

/// Parameters that are not trained, and the statistics of norms of which none is (hold_frozen_statistics).
std::set<std::string> frozen_entries(const DetectionModel& model) {
  std::set<std::string> frozen;
  for (const auto& module : model->named_modules(/*name_prefix=*/"", /*include_self=*/false)) {
    bool learns = false;
    for (const auto& parameter : module.value()->named_parameters(/*recurse=*/false)) {
      learns = learns || parameter.value().requires_grad();
      if (!parameter.value().requires_grad()) frozen.insert(module.key() + "." + parameter.key());
    }
    const auto buffers = module.value()->named_buffers(/*recurse=*/false);
    if (learns || !buffers.contains("running_mean")) continue;
    for (const auto& buffer : buffers) frozen.insert(module.key() + "." + buffer.key());
  }
  return frozen;
}

/// How many classes the rows are of, where there are rows of classes.
std::string classes_line(const TransferReport& report, const DetectionModel& model) {
  if (report.count(Fate::kByClass) + report.count(Fate::kNoClass) == 0) return "";
  const std::int64_t all = model->num_classes();
  return "  classes: " + std::to_string(report.classes) + " of the model's " + std::to_string(all) +
         " are in the file by name" + (report.classes < all ? "; the rows of the others begin untrained" : "") + "\n";
}

std::string depth_line(const TransferReport& report, const DetectionModel& model) {
  const std::int64_t here = model->num_decoder_layers(), there = report.file_layers;
  if (there == 0 || there == here) return "";
  return "  the file has " + counted(there, "decoder layer") + ", the model " + std::to_string(here) + ": " +
         (there > here ? "the first " + std::to_string(here) + " are taken"
                       : "those behind the first " + std::to_string(there) + " begin untrained") +
         "\n";
}

}  // namespace

std::string transfer_table(const TransferReport& report, const DetectionModel& model) {
  const std::set<std::string> frozen = frozen_entries(model);
  std::map<ModelPart, PartCounts> counts;
  Reasons reasons;
  for (const TransferredEntry& entry : report.entries) {
    PartCounts& of_part = counts[entry.part];
    ++of_part.by_fate[entry.fate];
    of_part.frozen += entry.fate != Fate::kUnused && frozen.contains(entry.key) ? 1 : 0;
    if (!words_for(entry.fate)) continue;
    Reason& reason = reasons[{entry.part, entry.fate}];
    if (reason.entries++ == 0) reason.example = &entry;
  }
  TextTable table({{"part", TextTable::Align::kLeft}, {"taken"}, {"row by row"}, {"initial"}, {"unused"}, {"frozen"}});
  for (const auto& [part, of_part] : counts) {
    table.add({word_of(part, kModelPartWords), std::to_string(of_part.taken()), std::to_string(of_part.in_part()),
               std::to_string(of_part.kept()), std::to_string(of_part[Fate::kUnused]), std::to_string(of_part.frozen)});
  }
  std::string text = table.text();
  for (const auto& [key, reason] : reasons) text += reason_line(key.first, key.second, reason);
  text += classes_line(report, model);
  if (counts[ModelPart::kDecoderLayers].taken() > 0) text += depth_line(report, model);
  text.pop_back();
  return text;
}

}  // namespace rtdetr
