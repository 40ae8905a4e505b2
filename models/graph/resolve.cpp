#include "models/graph/resolve.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/base/error.h"
#include "core/io/yaml_writer.h"
#include "models/graph/model_files.h"
#include "models/graph/registry.h"

namespace rtdetr {

namespace {

void set_key(YamlNode& map, const std::string& key, const std::string& value) {
  for (auto& [name, node] : map.entries) {
    if (name == key) {
      node = yaml_scalar(value);
      return;
    }
  }
  map.entries.push_back({key, yaml_scalar(value)});
}

bool answers_to(const ArgumentSpec& spec, const std::string& name) {
  return spec.name == name || std::ranges::find(spec.other_names, name) != spec.other_names.end();
}

/// Writes `name: value` into a row's args, where the argument stands already or else into the map of named options.
void set_argument(YamlNode& args, const BlockEntry& entry, const std::string& name, std::int64_t value) {
  const auto spec = std::ranges::find_if(entry.arguments, [&](const ArgumentSpec& s) { return answers_to(s, name); });
  RTDETR_CHECK(spec != entry.arguments.end(), entry.name + " has no argument '" + name + "'");
  const bool has_map = !args.items.empty() && args.items.back().is_map();
  const std::size_t position =
      std::count_if(entry.arguments.begin(), spec, [](const auto& s) { return !s.by_name_only; });
  if (!spec->by_name_only && position < args.items.size() - (has_map ? 1 : 0)) {
    args.items[position] = yaml_scalar(std::to_string(value));
    return;
  }
  if (!has_map) {
    args.items.emplace_back();
    args.items.back().kind = YamlNode::Kind::kMap;
  }
  for (auto& [key, node] : args.items.back().entries) {
    if (answers_to(*spec, key)) {
      node = yaml_scalar(std::to_string(value));
      return;
    }
  }
  args.items.back().entries.push_back({name, yaml_scalar(std::to_string(value))});
}

/// @throws ConfigError  for a head that has no such argument
const std::string& argument_for(const std::string& key, const std::string& argument, const BlockEntry& head) {
  if (argument.empty()) throw ConfigError(key + "=: a model that ends in " + head.name + " has none to override");
  return argument;
}

void override_head(YamlNode& args, const BlockEntry& head, const BuildOptions& options) {
  const BlockEntry::Overridden& at = head.overridden;
  if (options.num_queries)
    set_argument(args, head, argument_for("num_queries", at.queries, head), *options.num_queries);
  if (!options.decoder_layers) return;
  set_argument(args, head, argument_for("decoder_layers", at.depth, head), *options.decoder_layers);
  if (!at.last_layer.empty()) set_argument(args, head, at.last_layer, -1);
}

/// Argument list of the head's row.
YamlNode& head_args(YamlNode& root) {
  for (auto& [key, node] : root.entries) {
    if (key == "head") return node.items.back().items[3];
  }
  throw InternalError("a checked model file has no head");
}

/// Whether the file gives this scale without being asked for it.
bool is_standard_scale(const YamlNode& root, const std::string& scale) {
  if (scale.empty()) return true;
  const YamlNode* written = root.find("scale");
  return (written ? written->scalar : root.find("scales")->entries.front().key) == scale;
}

}  // namespace

ModelSpec resolve_spec(const ModelSpec& spec, const BuildOptions& options) {
  YamlNode root = parse_yaml(spec.text, spec.origin).root;
  const bool other_classes = options.num_classes && *options.num_classes != spec.num_classes;
  const bool other_scale = !is_standard_scale(root, spec.scale);
  if (!other_classes && !other_scale && !options.num_queries && !options.decoder_layers) return spec;

  if (other_classes) {
    set_key(root, "nc", std::to_string(*options.num_classes));
    YamlNode& args = head_args(root);  // the first may be that number instead of its name
    if (!args.items.empty() && args.items.front().is_scalar()) args.items.front() = yaml_scalar("nc");
  }
  if (other_scale) set_key(root, "scale", spec.scale);
  override_head(head_args(root), *registry().find(spec.rows.back().module), options);
  ModelSpec resolved = parse_model_spec(write_yaml(root), spec.origin + ", with the overrides of this run,");
  resolved.name = spec.name;
  resolved.origin = spec.origin;
  return resolved;
}

}  // namespace rtdetr
