#include "models/weights/shared_entries.h"

#include <map>

#include <torch/nn/module.h>
#include <torch/types.h>

#include "core/base/error.h"
#include "models/layers/module_tree.h"

namespace rtdetr {
namespace {

using Names = std::vector<std::string>;

/// The names of every tensor that has several.
std::vector<Names> shared_names(const torch::nn::Module& model) {
  std::map<const void*, std::size_t> groups;
  std::vector<Names> names;
  for (const auto& [key, tensor] : named_state(model)) {
    const auto [group, is_new] = groups.try_emplace(tensor.unsafeGetTensorImpl(), names.size());
    if (is_new) names.emplace_back();
    names[group->second].push_back(key);
  }
  std::erase_if(names, [](const Names& group) { return group.size() < 2; });
  return names;
}

bool are_equal(const torch::Tensor& a, const torch::Tensor& b) {
  return a.sizes() == b.sizes() && torch::equal(a.to(torch::kFloat64), b.to(torch::kFloat64));
}

}  // namespace

std::vector<std::string> settle_shared_entries(TensorMap& tensors, const torch::nn::Module& model,
                                               const std::string& origin) {
  Names added;
  for (const Names& names : shared_names(model)) {
    const std::string* first = nullptr;
    for (const std::string& name : names) {
      const auto found = tensors.find(name);
      if (found == tensors.end()) continue;
      if (first == nullptr) first = &name;
      if (!are_equal(found->second, tensors.at(*first)))
        throw CheckpointError(origin + ": its '" + *first + "' and '" + name +
                              "' differ, and are one tensor in the model: its layers have heads of their own, which "
                              "cannot be taken over");
    }
    for (const std::string& name : names)
      if (first != nullptr && tensors.emplace(name, tensors.at(*first)).second) added.push_back(name);
  }
  return added;
}

}  // namespace rtdetr
