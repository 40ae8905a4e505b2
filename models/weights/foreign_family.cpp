#include "models/weights/foreign_family.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/utf8.h"
#include "models/weights/key_rules.h"
#include "models/weights/key_tables.h"
#include "models/weights/weight_parts.h"

namespace rtdetr {
namespace {

bool any_name(const WeightsFile& file, const std::function<bool(const std::string&)>& says) {
  return std::ranges::any_of(file.tensors(), [&](const WeightTensor& tensor) { return says(tensor.name); });
}
bool any_name_has(const WeightsFile& file, std::string_view part) {
  return any_name(file, [&](const std::string& name) { return name.find(part) != std::string::npos; });
}

/// "…model.28" in front of a score head's name. Read from its end and by hand: a regular expression takes stack for
/// every character, and a file's names are as long as it likes.
std::optional<ForeignPlace> place_in_graph(std::string_view before) {
  constexpr std::string_view kModel = "model.";
  constexpr std::size_t kMostDigits = 4;
  if (before.ends_with('.')) before.remove_suffix(1);
  std::size_t digits = 0;
  while (digits < before.size() && is_digit(before[before.size() - 1 - digits])) ++digits;
  if (digits == 0 || digits > kMostDigits) return std::nullopt;
  const std::string row(before.substr(before.size() - digits));
  before.remove_suffix(digits);
  if (!before.ends_with(kModel)) return std::nullopt;
  before.remove_suffix(kModel.size());
  if (!before.empty() && !before.ends_with('.')) return std::nullopt;
  return ForeignPlace{Family::kUltralytics, std::string(before), row, ""};
}

/// What has this name is an encoder's score head; nullopt: of none that is known.
std::optional<ForeignPlace> place_of_encoder_scores(std::string_view before) {
  const auto without = [&](std::string_view end) { return std::string(before.substr(0, before.size() - end.size())); };
  if (before.ends_with("decoder.")) return ForeignPlace{Family::kOfficial, without("decoder."), "", ""};
  if (const auto in_graph = before.ends_with('.') ? place_in_graph(before) : std::nullopt) return in_graph;
  if (before.ends_with("model.")) return ForeignPlace{Family::kHuggingFace, without("model."), "", ""};
  return std::nullopt;
}

/// What has this name is a score head; nullopt: it is none.
std::optional<ForeignPlace> place_of_scores(const std::string& name) {
  const auto before = [&](std::string_view end) { return std::string_view(name).substr(0, name.size() - end.size()); };
  std::optional<ForeignPlace> place;
  if (name.ends_with(kEncoderScores)) place = place_of_encoder_scores(before(kEncoderScores));
  if (name.ends_with(kDinoScores)) place = ForeignPlace{Family::kDino, std::string(before(kDinoScores)), "", ""};
  if (name.ends_with(kCellScores)) place = place_in_graph(before(kCellScores));
  if (place) place->scores = name;
  return place;
}

const KeyLayout& hugging_face_layout_of(const std::vector<std::string>& names) {
  const auto any_has = [&](std::string_view part) {
    return std::ranges::any_of(names, [&](const std::string& name) { return name.find(part) != std::string::npos; });
  };
  if (any_has("pre_bbox_head")) return hugging_face_dfine_layout();
  return hugging_face_layout(any_has("n_points_scale") ? OfficialVersion::kV2 : OfficialVersion::kV1);
}

std::string what_it_is(const WeightsFile& file) {
  const auto has = [&](std::string_view part) { return any_name_has(file, part); };
  if (has("refpoint_embed.weight") || has("transformer.decoder.ref_point_head"))
    return "weights of RF-DETR or DAB-DETR, whose transformer is another one; they cannot be taken over";
  if (has("query_embed.weight") || has("query_position_embeddings.weight"))
    return "weights of DETR or Deformable DETR, whose transformer is another one; they cannot be taken over";
  if (has(".dfl.conv.weight") || has("model.0.conv.weight"))
    return "weights of a YOLO model of Ultralytics without YOLOv8's detection head, which are not read: a data set's "
           "labels can be taken over, and model=yolov8n is trained here from the start";
  if (has("conv1.conv1_1.conv.weight") || has("stem.stem1.conv.weight") || has("layer1.0.conv1.weight") ||
      has("blocks.0.attn.qkv.weight"))
    return "weights of a backbone alone; a detector is more than that: train begins with them, backbone_weights=";
  return "";
}

/// The average of a run's weights, as RT-DETR's, D-FINE's and Ultralytics' programs call it, or as DINO's does.
bool is_average(const ForeignPlace& place) {
  return place.prefix.starts_with("ema.") || place.prefix.starts_with("ema_model.");
}

}  // namespace

PictureForm picture_form_of(const ForeignPlace& place) {
  PictureForm form;
  if (place.family == Family::kUltralytics) form.resampling = Resampling::kOpencvLinear;
  if (place.scores.ends_with(kCellScores)) form.fit = Fit::kLetterbox;
  if (place.family == Family::kDino) form.fit = Fit::kKeepRatio;
  return form;
}

std::optional<ForeignPlace> find_model(const WeightsFile& file) {
  std::optional<ForeignPlace> found;
  for (const WeightTensor& tensor : file.tensors()) {
    const auto place = place_of_scores(tensor.name);
    if (place && (!found || (is_average(*place) && !is_average(*found)))) found = place;
  }
  return found;
}

ForeignPlace locate_model(const WeightsFile& file, const std::string& origin) {
  if (auto found = find_model(file)) return std::move(*found);
  const std::string kind = what_it_is(file);
  if (!kind.empty()) throw CheckpointError(origin + ": " + kind);
  throw CheckpointError(origin + " holds " + counted(static_cast<long long>(file.tensors().size()), "tensor") +
                        ", but no RT-DETR of the official code, of Hugging Face or of Ultralytics, no YOLOv8 and no "
                        "DINO is recognised by their names" +
                        (file.tensors().empty() ? "" : ", such as '" + printable(file.tensors().front().name) + "'"));
}

WeightReading reading_at(const WeightsFile& file, const ForeignPlace& place, const std::string& origin) {
  WeightReading reading;
  reading.part = part_below(file, place.prefix);
  const std::vector<std::string> names = reading.part.names();
  const KeyLayout& layout = place.family == Family::kHuggingFace ? hugging_face_layout_of(names) : our_layout();
  reading.layout = layout.name;
  reading.plan = plan_keys(layout, names, origin);
  return reading;
}

std::string words_for_other_decoder(const WeightsFile& file) {
  if (!any_name_has(file, "pre_bbox_head") && !any_name_has(file, "lqe_layers")) return "";
  return "weights of D-FINE or DEIM, whose decoder is another one; they are taken into a model of D-FINE alone "
         "(model=dfine-n and others)";
}

std::vector<std::string> other_contents(const WeightsFile& file, const ForeignPlace& place) {
  std::vector<std::string> contents;
  if (place.prefix.empty()) return contents;
  const std::string mine = place.prefix.substr(0, place.prefix.find('.'));
  std::map<std::string, long long> counts;
  for (const auto& [path, text] : file.metadata()) counts.emplace(path.substr(0, path.find('.')), 0);
  for (const WeightTensor& tensor : file.tensors()) ++counts[tensor.name.substr(0, tensor.name.find('.'))];
  counts.erase(mine);
  for (const auto& [name, count] : counts)
    contents.push_back(count ? name + " (" + counted(count, "tensor") + ")" : name);
  return contents;
}

}  // namespace rtdetr
