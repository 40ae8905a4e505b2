#include "models/weights/backbone_weights.h"

#include <algorithm>
#include <map>
#include <utility>

#include <torch/types.h>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/io/utf8.h"
#include "core/weights/weights_file.h"
#include "models/layers/module_tree.h"
#include "models/weights/checkpoint.h"
#include "models/weights/foreign_weights.h"
#include "models/weights/key_rules.h"
#include "models/weights/key_tables.h"
#include "models/weights/norm_eps.h"
#include "models/weights/weight_reading.h"

namespace rtdetr {
namespace {

constexpr std::size_t kNamedEntries = 4;

/// One or two layouts through which a file's names become the model's.
struct Route {
  std::string name;
  const KeyLayout* first = nullptr;   ///< nullptr: they are the official ones already
  const KeyLayout* second = nullptr;  ///< from the official names to a graph's
  std::string remark{};
  bool is_transformer = false;  ///< a plain one, whose files lack what a detector adds
};

/// What a detector adds to a plain transformer: it begins at 0, or is learnt anew.
bool is_added(const std::string& key) {
  const auto has = [&](const char* part) { return key.find(part) != std::string::npos; };
  return key.ends_with(".rel_pos_h") || key.ends_with(".rel_pos_w") || has(".simfp_") || has(".residual.");
}

constexpr const char* kTransformerRemark =
    "MAE's files (mae_pretrain_vit_*) are licensed CC BY-NC 4.0: neither they nor what is trained from them is for "
    "commercial use";

std::vector<Route> all_routes() {
  const KeyLayout &storage = storage_backbone_layout(), &timm = timm_hgnetv2_layout();
  const KeyLayout& l = hgnetv2_to_ultralytics_layout(UltralyticsSize::kL);
  const KeyLayout& x = hgnetv2_to_ultralytics_layout(UltralyticsSize::kX);
  const std::string other_activation =
      "initial values only: this model's blocks run SiLU where torchvision's run ReLU, so its features are others";
  return {{"the official storage's", &storage},
          {"timm's ResNet-D", &timm_resnetd_layout()},
          {"timm's HGNetv2", &timm},
          {"torchvision's ResNet", &torchvision_resnet_layout()},
          {"torchvision's ResNet", &torchvision_to_body_layout()},
          {"torchvision's ResNet", &torchvision_to_ultralytics_layout(), nullptr, other_activation},
          {"the official storage's HGNetv2-L", &storage, &l},
          {"the official storage's HGNetv2-X", &storage, &x},
          {"timm's HGNetv2-L", &timm, &l},
          {"timm's HGNetv2-X", &timm, &x},
          {"a plain vision transformer's", &plain_transformer_layout(), nullptr, kTransformerRemark, true},
          {"a detector's with the same names"},
          {"an official detector's HGNetv2-L", nullptr, &l},
          {"an official detector's HGNetv2-X", nullptr, &x}};
}

KeyPlan plan_route(const Route& route, const std::vector<std::string>& names, const std::string& origin) {
  static const KeyLayout same_names{"", {}, {{"{*}", "{*}"}}};
  KeyPlan plan = plan_keys(route.first ? *route.first : same_names, names, origin);
  if (route.second == nullptr) return plan;
  std::map<std::string, std::vector<RenamedKey>> targets;
  for (auto& [official, sources] : plan.targets) {
    const auto key = our_key(*route.second, official);
    if (key && !key->key.empty()) targets.emplace(key->key, std::move(sources));
  }
  plan.targets = std::move(targets);
  return plan;
}

bool is_counter(const std::string& key) { return key.ends_with("num_batches_tracked"); }

/// What the model's backbone rows have, by key.
TensorMap backbone_of(const DetectionModelImpl& model) {
  std::vector<std::string> prefixes;
  for (const DetectionModelImpl::Row& row : model.rows()) {
    if (row.part != "backbone") continue;
    for (const std::string& place : row.places) prefixes.push_back(place + ".");
  }
  TensorMap backbone;
  for (const auto& [key, tensor] : named_state(model)) {
    const auto begins = [&key = key](const std::string& prefix) { return key.starts_with(prefix); };
    if (std::any_of(prefixes.begin(), prefixes.end(), begins)) backbone.emplace(key, tensor.detach());
  }
  return backbone;
}

WeightReading read_backbone(const WeightsFile& file, const std::vector<Route>& routes, const TensorMap& backbone,
                            const std::string& origin) {
  std::vector<ReadingWay> ways;
  for (const Route& route : routes)
    ways.push_back({route.name, [&](const auto& names) { return plan_route(route, names, origin); }});
  return best_reading(file, ways, [&](const std::string& key) { return !is_counter(key) && backbone.contains(key); });
}

bool is_learnt_affine(const std::string& name) { return name.find(".lab.") != std::string::npos; }

/// D-FINE's n, s and m have these blocks; other models would leave the scales out unseen.
void refuse_scaled_blocks(const WeightsFile& file, const TensorMap& backbone, const std::string& origin) {
  if (std::any_of(backbone.begin(), backbone.end(), [](const auto& entry) { return is_learnt_affine(entry.first); }))
    return;
  for (const WeightTensor& tensor : file.tensors())
    if (is_learnt_affine(tensor.name))
      throw CheckpointError(origin + ": hgnetv2_b0 to b3 ('" + printable(tensor.name) +
                            "'): their blocks have a learnable scale that this model's lack; nothing was taken. "
                            "dfine-n and -s have b0, dfine-m has b2; hgnetv2_b4, b5 and b6 are the backbones of "
                            "HGNetv2-L, X and H");
}

std::string first_names(const std::vector<std::string>& names) {
  const std::size_t shown = std::min(names.size(), kNamedEntries);
  return join(std::span(names).first(shown), ", ") + (names.size() > shown ? ", …" : "");
}

std::string advice_for(const Route& route) {
  if (route.is_transformer)
    return "Give the file of this transformer's width and depth, whose patches are as large and whose table of "
           "positions has as many rows (pretrained_grid of the model's row): MAE's huge model has patches of 14, "
           "not 16 pixels";
  return "Give the file of this backbone's depth and kind: the official models have ResNet's variant d (timm's "
         "resnet18d to 101d), torchvision's are variant b";
}

/// All of the backbone but counters is there, in its shapes; of a plain transformer, what a detector adds may lack.
void check_whole(const TensorMap& tensors, const TensorMap& backbone, const Route& route, const std::string& origin) {
  std::vector<std::string> missing, misfit;
  for (const auto& [key, target] : backbone) {
    const auto found = tensors.find(key);
    const bool may_lack = is_counter(key) || (route.is_transformer && is_added(key));
    if (found == tensors.end() && !may_lack) missing.push_back(key);
    if (found == tensors.end()) continue;
    const torch::Tensor& source = found->second;
    if (source.sizes() != target.sizes() || (target.is_floating_point() && !source.is_floating_point()))
      misfit.push_back(key + c10::str(" ", source.scalar_type(), source.sizes(), " instead of ", target.scalar_type(),
                                      target.sizes()));
  }
  if (missing.empty() && misfit.empty()) return;
  std::string text = origin + ": does not fit this model's backbone, read as " + route.name;
  if (!missing.empty()) text += "; missing (" + std::to_string(missing.size()) + "): " + first_names(missing);
  if (!misfit.empty())
    text += "; of another shape or type (" + std::to_string(misfit.size()) + "): " + first_names(misfit);
  throw CheckpointError(text + "; nothing was taken. " + advice_for(route));
}

/// Blocks of a transformer with more than ours, such as scales of their branches, would leave that out unseen.
void refuse_other_blocks(const std::vector<std::string>& unexpected, const std::string& origin) {
  for (const std::string& name : unexpected)
    if (name.find("blocks.") != std::string::npos)
      throw CheckpointError(origin + ": a vision transformer whose blocks have '" + printable(name) +
                            "', which this model's lack; nothing was taken");
}

/// Of a plan the part that the backbone has; the rest of a detector is not read.
KeyPlan restricted(KeyPlan plan, const TensorMap& backbone) {
  for (auto target = plan.targets.begin(); target != plan.targets.end();) {
    if (backbone.contains(target->first)) {
      ++target;
      continue;
    }
    for (const RenamedKey& source : target->second) plan.unexpected.push_back(source.key);
    target = plan.targets.erase(target);
  }
  return plan;
}

}  // namespace

BackboneReport take_backbone_weights(DetectionModelImpl& model, const std::string& file) {
  const std::unique_ptr<WeightsFile> opened = open_weights(file);
  if (has_model_info(opened->metadata()))
    throw CheckpointError(file + ": is a model file of rtdetr; give it as weights=, which takes its backbone too");
  const TensorMap backbone = backbone_of(model);
  refuse_scaled_blocks(*opened, backbone, file);
  const std::vector<Route> routes = all_routes();
  WeightReading reading = read_backbone(*opened, routes, backbone, file);
  if (reading.fit <= 0)
    throw CheckpointError(file + ": has nothing of this model's backbone" +
                          (backbone.empty() ? "" : ", which is called like '" + backbone.begin()->first + "'") +
                          (opened->tensors().empty()
                               ? ""
                               : "; its entries are called like '" + printable(opened->tensors().front().name) + "'") +
                          "; nothing was taken");
  const Route& route = routes[reading.way];
  if (route.is_transformer) refuse_other_blocks(reading.plan.unexpected, file);
  reading.plan = restricted(std::move(reading.plan), backbone);
  std::set<std::string> keys;
  for (const auto& [key, target] : backbone) keys.insert(key);
  ForeignWeights found = read_weights(*opened, reading, keys, file);
  BackboneReport report;
  report.made = add_identity_shortcut(found.tensors, keys);
  check_whole(found.tensors, backbone, route, file);
  report.read_as = reading.layout;
  report.part = found.part;
  report.remark = route.remark;
  for (const auto& [key, target] : backbone)
    if (route.is_transformer && !found.tensors.contains(key)) report.initial.push_back(key);
  report.taken = static_cast<std::int64_t>(found.tensors.size() - found.counters.size());
  report.file_eps = found.norm_eps;
  report.rescaled = rescale_norms(found.tensors, model, found.norm_eps);
  report.unused = std::move(found.unexpected);
  report.unused.insert(report.unused.end(), found.left_out.begin(), found.left_out.end());
  const torch::NoGradGuard no_grad;
  for (const auto& [key, tensor] : found.tensors) torch::Tensor(backbone.at(key)).copy_(tensor);
  return report;
}

std::string describe(const BackboneReport& report, const std::string& file) {
  std::string text =
      file + ": " + std::to_string(report.taken) + " entries of the backbone are taken over, read as " + report.read_as;
  if (!report.part.empty()) text += "; they are its '" + report.part + "'";
  if (report.made > 0)
    text += "; " + std::to_string(report.made) +
            " of them are a shortcut that changes nothing, which that program leaves out";
  if (report.rescaled > 0) text += "; " + words_for_rescaled(report.rescaled, report.file_eps);
  if (!report.unused.empty())
    text += "; " + std::to_string(report.unused.size()) + " of the file are not used, e.g. " +
            printable(report.unused.front());
  if (!report.initial.empty())
    text += "; " + std::to_string(report.initial.size()) +
            " of the model that such files lack stay as they began: " + first_names(report.initial);
  if (!report.remark.empty()) text += "; " + report.remark;
  return text;
}

}  // namespace rtdetr
