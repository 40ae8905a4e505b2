#include "models/weights/official_rows.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/yaml.h"
#include "core/io/yaml_writer.h"
#include "models/graph/resolve.h"

namespace rtdetr {
namespace {

constexpr const char* kLayers = "decoder.decoder.layers.";
constexpr std::int64_t kMost = 1'000'000;

YamlNode number(std::int64_t value) { return yaml_scalar(std::to_string(value)); }

void put(YamlNode& map, const std::string& key, YamlNode value) {
  const auto at = std::ranges::find(map.entries, key, &YamlNode::Entry::key);
  if (at != map.entries.end())
    at->value = std::move(value);
  else
    map.entries.push_back({key, std::move(value)});
}

void take_out(YamlNode& map, const std::string& key) {
  std::erase_if(map.entries, [&](const YamlNode::Entry& entry) { return entry.key == key; });
}

/// The named options at the end of a row's arguments.
YamlNode& options_of(YamlNode& args) {
  if (args.items.empty() || !args.items.back().is_map()) {
    args.items.emplace_back();
    args.items.back().kind = YamlNode::Kind::kMap;
  }
  return args.items.back();
}

/// Sets the numbers of a family's rows, which are [from, repeats, module, args, path].
class RowWriter {
 public:
  RowWriter(const OfficialShapes& shapes, const OfficialNumbers& numbers) : shapes_(shapes), numbers_(numbers) {}

  void write(YamlNode& row, bool in_backbone) {
    const std::string module = row.items[2].scalar;
    if (row.items.size() < 5) return;
    YamlNode& args = row.items[3];
    const std::string path = row.items[4].scalar;
    if (in_backbone) write_norm(args);
    if (module == "ConvNorm") args.items[0] = number(shapes_.rows(kernel_of(path)));
    if (module == "PResNetStage") write_stage(row, path);
    if (module == "TransformerEncoder") write_transformer(row, path);
    if (module == "CSPRepLayer") write_csp(row, path);
    if (module == "RTDETRDecoder") write_decoder(args);
  }

 private:
  std::string kernel_of(const std::string& path) const {
    return path + (shapes_.has(path + ".0.weight") ? ".0.weight" : ".conv.weight");
  }

  void write_norm(YamlNode& args) const {
    YamlNode& options = options_of(args);
    take_out(options, "freeze");
    if (numbers_.norms == FrozenNorms::kFrozen) put(options, "norm", yaml_scalar("frozen"));
    if (numbers_.norms == FrozenNorms::kBatch) take_out(options, "norm");
    if (options.entries.empty()) args.items.pop_back();
  }

  void write_stage(YamlNode& row, const std::string& path) const {
    row.items[1] = number(shapes_.count(path + ".blocks."));
    row.items[3].items[1] = number(shapes_.rows(path + ".blocks.0.branch2a.conv.weight"));
    const bool strided = row.items[3].items[2].as_integer() == 2;
    if (!shapes_.has(path + (strided ? ".blocks.0.short.conv.conv.weight" : ".blocks.0.short.conv.weight")))
      shapes_.refuse("its backbone is a ResNet of another variant than d");
  }

  void write_transformer(YamlNode& row, const std::string& path) const {
    row.items[1] = number(shapes_.count(path + ".layers."));
    row.items[3].items = {number(shapes_.rows(path + ".layers.0.linear1.weight")),
                          number(numbers_.decoder.encoder_heads)};
  }

  void write_csp(YamlNode& row, const std::string& path) const {
    const std::int64_t inner = shapes_.rows(path + ".conv1.conv.weight");
    const bool widens = shapes_.has(path + ".conv3.conv.weight");
    const std::int64_t out = widens ? shapes_.rows(path + ".conv3.conv.weight") : inner;
    double share = static_cast<double>(inner) / static_cast<double>(out);
    if (static_cast<std::int64_t>(static_cast<double>(out) * share) != inner)
      share = (static_cast<double>(inner) + 0.25) / static_cast<double>(out);
    row.items[1] = number(shapes_.count(path + ".bottlenecks."));
    row.items[3].items = {number(out), yaml_scalar(format_double(share))};
  }

  void write_decoder(YamlNode& args) const {
    const OfficialDecoder& d = numbers_.decoder;
    YamlNode& options = options_of(args);
    take_out(options, "eval_idx");
    put(options, "layers", number(d.layers));
    put(options, "dim", number(d.width));
    put(options, "queries", number(d.queries));
    put(options, "points", number(d.points));
    put(options, "heads", number(d.heads));
    put(options, "ffn", number(d.hidden));
    if (d.levels > 3) put(options, "levels", number(d.levels));
    if (d.learnt_queries) put(options, "learnt_queries", yaml_scalar("true"));
    if (!d.has_denoising) put(options, "denoising", number(0));
    if (d.discrete) put(options, "sampling", yaml_scalar("discrete"));
  }

  const OfficialShapes& shapes_;
  const OfficialNumbers& numbers_;
};

}  // namespace

std::int64_t OfficialShapes::size(const std::string& key, std::size_t dimension) const {
  const auto found = shapes_.find(key);
  if (found == shapes_.end()) refuse("it has no tensor '" + key + "'");
  const std::int64_t size = dimension < found->second.size() ? found->second[dimension] : 0;
  if (size < 1 || size > kMost) refuse("its tensor '" + key + "' has an impossible shape");
  return size;
}

std::int64_t OfficialShapes::count(const std::string& prefix) const {
  constexpr std::int64_t kMostLayers = 100;
  std::int64_t count = 0;
  for (; count <= kMostLayers; ++count) {
    const std::string numbered = prefix + std::to_string(count) + ".";
    const auto found = shapes_.lower_bound(numbered);
    if (found == shapes_.end() || !found->first.starts_with(numbered)) break;
  }
  if (count == 0) refuse("it has no tensor '" + prefix + "0…'");
  return count;
}

FrozenNorms OfficialShapes::backbone_norms() const {
  bool in_backbone = false, elsewhere = false;
  for (const auto& [key, shape] : shapes_) {
    if (!key.ends_with(".num_batches_tracked")) continue;
    (key.starts_with("backbone.") ? in_backbone : elsewhere) = true;
  }
  if (in_backbone) return FrozenNorms::kBatch;
  return elsewhere ? FrozenNorms::kFrozen : FrozenNorms::kUnknown;
}

OfficialDecoder OfficialShapes::decoder(std::optional<std::int64_t> heads) const {
  OfficialDecoder decoder;
  decoder.width = size("decoder.enc_score_head.weight", 1);
  decoder.classes = classes_of(score_head_of(shapes_), origin_);
  decoder.layers = count(kLayers);
  decoder.hidden = rows(std::string(kLayers) + "0.linear1.weight");
  decoder.levels = count("decoder.input_proj.");
  if (count("encoder.input_proj.") != 3) refuse("its encoder works on another number of maps than 3");
  decoder.points = points_and_levels(decoder, heads);
  decoder.has_denoising = has("decoder.denoising_class_embed.weight");
  decoder.learnt_queries = has("decoder.tgt_embed.weight");
  if (decoder.learnt_queries) decoder.queries = rows("decoder.tgt_embed.weight");
  return decoder;
}

/// RT-DETRv2 has a number for each point of a head, so that its heads can be counted.
std::int64_t OfficialShapes::points_and_levels(OfficialDecoder& decoder, std::optional<std::int64_t> heads) const {
  const std::string attention = std::string(kLayers) + "0.cross_attn.";
  const std::int64_t weights = rows(attention + "attention_weights.bias");
  std::int64_t in_a_head = 0;
  if (has(attention + "num_points_scale")) {
    in_a_head = rows(attention + "num_points_scale");
    if (heads && *heads * in_a_head != weights) refuse("its number of attention heads is not that of its config");
    decoder.heads = weights / in_a_head;
    decoder.heads_are_known = true;
  } else {
    decoder.heads = heads.value_or(decoder.heads);
    decoder.heads_are_known = heads.has_value();
    in_a_head = decoder.heads > 0 ? weights / decoder.heads : 0;
  }
  if (in_a_head == 0 || decoder.heads * in_a_head != weights || in_a_head % decoder.levels != 0)
    refuse("its " + std::to_string(weights) + " sampling points are not as many for each of " +
           counted(decoder.heads, "head") + " and " + counted(decoder.levels, "level"));
  return in_a_head / decoder.levels;
}

void OfficialShapes::refuse(const std::string& why) const {
  throw CheckpointError(origin_ + " has the keys of an RT-DETR, but " + why +
                        "; no YAML can be made for it here: give one that fits, model=YAML");
}

YamlNode official_yaml(const std::string& base, const OfficialShapes& shapes, const OfficialNumbers& numbers) {
  YamlNode root = parse_yaml(base, "the family's model").root;
  put(root, "nc", number(numbers.decoder.classes));
  put(root, "norm_eps", yaml_scalar(format_double(numbers.norm_eps)));
  RowWriter writer(shapes, numbers);
  for (auto& [key, rows] : root.entries) {
    if (key != "backbone" && key != "head") continue;
    for (YamlNode& row : rows.items) writer.write(row, key == "backbone");
  }
  return root;
}

ModelSpec with_numbers(const ModelSpec& zoo, const OfficialDecoder& decoder) {
  BuildOptions options;
  options.num_classes = decoder.classes;
  if (decoder.queries != 300) options.num_queries = decoder.queries;
  return resolve_spec(zoo, options);
}

}  // namespace rtdetr
