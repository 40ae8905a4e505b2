#include "models/graph/registry.h"

#include "core/base/check.h"
#include "core/base/error.h"

namespace rtdetr {

void register_plain_blocks(Registry& registry);      // blocks/plain.cpp
void register_conv_blocks(Registry& registry);       // blocks/conv.cpp
void register_hgnet_blocks(Registry& registry);      // blocks/hgnet.cpp
void register_rep_blocks(Registry& registry);        // blocks/rep.cpp
void register_csp_blocks(Registry& registry);        // blocks/csp.cpp
void register_elan_blocks(Registry& registry);       // blocks/elan.cpp
void register_pooling_blocks(Registry& registry);    // blocks/pooling.cpp
void register_presnet_blocks(Registry& registry);    // blocks/presnet.cpp
void register_pyramid_blocks(Registry& registry);    // blocks/pyramid.cpp
void register_resnet_blocks(Registry& registry);     // blocks/resnet.cpp
void register_attention_blocks(Registry& registry);  // blocks/aifi.cpp
void register_vit_blocks(Registry& registry);        // blocks/vit.cpp
void register_decoder_blocks(Registry& registry);    // heads/detr/decoder_rows.cpp
void register_detect_blocks(Registry& registry);     // heads/yolo/detect_rows.cpp

namespace {

/// An explicit list: the linker drops a static library's self-registering objects.
Registry make_registry() {
  Registry registry;
  register_plain_blocks(registry);
  register_conv_blocks(registry);
  register_hgnet_blocks(registry);
  register_rep_blocks(registry);
  register_csp_blocks(registry);
  register_elan_blocks(registry);
  register_pooling_blocks(registry);
  register_presnet_blocks(registry);
  register_pyramid_blocks(registry);
  register_resnet_blocks(registry);
  register_attention_blocks(registry);
  register_vit_blocks(registry);
  register_decoder_blocks(registry);
  register_detect_blocks(registry);
  return registry;
}

Registry& table() {
  static Registry instance = make_registry();
  return instance;
}

}  // namespace

void refuse(const std::string& what_was_expected) { throw ModelError(what_was_expected); }

void check_class_count(const RowContext& row) {
  if (row.args.integer("nc") != row.num_classes)
    refuse("its number of classes is the model's, nc (" + std::to_string(row.num_classes) + "), found " +
           std::to_string(row.args.integer("nc")) + "; write nc");
}

void Registry::add(BlockEntry entry) {
  RTDETR_CHECK(!entry.build != !entry.build_head, entry.name + " needs one builder");
  const std::string name = entry.name;
  RTDETR_CHECK(entries_.emplace(name, std::move(entry)).second, name + " is registered twice");
}

const BlockEntry* Registry::find(const std::string& name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : &found->second;
}

std::vector<std::string> Registry::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

std::vector<std::string> Registry::head_names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : entries_) {
    if (entry.build_head) names.push_back(name);
  }
  return names;
}

const Registry& registry() { return table(); }

void add_to_registry(BlockEntry entry) { table().add(std::move(entry)); }

}  // namespace rtdetr
