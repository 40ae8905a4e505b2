#include "models/weights/key_conversion.h"

#include <torch/types.h>

#include "core/base/error.h"

namespace rtdetr {
namespace {

constexpr std::int64_t kProjections = 3;  // queries, keys, values

/// A tensor of the file and its name there; undefined where there is none.
struct NamedSource {
  std::string name;
  torch::Tensor tensor;
};

/// The first of the sources for `third`, after the others were found to be equal to it.
NamedSource one_of(const std::vector<RenamedKey>& sources, Third third, const FetchTensor& fetch,
                   const std::string& origin) {
  NamedSource first;
  for (const RenamedKey& source : sources) {
    if (source.third != third) continue;
    torch::Tensor tensor = fetch(source.key);
    if (!first.tensor.defined()) {
      first = {source.key, std::move(tensor)};
    } else if (tensor.scalar_type() != first.tensor.scalar_type() || !torch::equal(tensor, first.tensor)) {
      throw CheckpointError(origin + ": '" + first.name + "' and '" + source.key +
                            "' are two copies of one tensor, but differ; nothing was taken. Save the file anew");
    }
  }
  return first;
}

torch::Tensor joined(const std::vector<NamedSource>& parts, const std::string& target, const std::string& origin) {
  std::vector<torch::Tensor> tensors;
  for (const NamedSource& part : parts) {
    const torch::Tensor& first = parts.front().tensor;
    if (part.tensor.dim() == 0 || part.tensor.sizes() != first.sizes() ||
        part.tensor.scalar_type() != first.scalar_type())
      throw CheckpointError(origin + ": '" + parts.front().name + "' " + c10::str(first.sizes()) + " and '" +
                            part.name + "' " + c10::str(part.tensor.sizes()) + " are parts of our '" + target +
                            "', but not of one shape and type; nothing was taken");
    tensors.push_back(part.tensor);
  }
  return torch::cat(tensors, 0);
}

torch::Tensor gather_one(const std::string& target, const std::vector<RenamedKey>& sources, const FetchTensor& fetch,
                         const std::string& origin) {
  const NamedSource whole = one_of(sources, Third::kWhole, fetch, origin);
  if (whole.tensor.defined()) return whole.tensor;
  std::vector<NamedSource> parts;
  for (const Third third : {Third::kQueries, Third::kKeys, Third::kValues})
    parts.push_back(one_of(sources, third, fetch, origin));
  return joined(parts, target, origin);
}

}  // namespace

TensorMap gather_tensors(const KeyPlan& plan, const FetchTensor& fetch, const std::string& origin) {
  TensorMap tensors;
  for (const auto& [target, sources] : plan.targets)
    tensors.emplace(target, gather_one(target, sources, fetch, origin));
  return tensors;
}

ConvertedTensors to_our_keys(const KeyLayout& layout, const TensorMap& theirs, const std::string& origin) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : theirs) names.push_back(name);
  KeyPlan plan = plan_keys(layout, names, origin);
  TensorMap tensors = gather_tensors(
      plan, [&](const std::string& name) { return theirs.at(name); }, origin);
  return {std::move(tensors), std::move(plan.unexpected), std::move(plan.dropped)};
}

ConvertedTensors to_their_keys(const KeyLayout& layout, const TensorMap& ours, const std::string& origin) {
  ConvertedTensors converted;
  for (const auto& [name, tensor] : ours) {
    const auto keys = their_keys(layout, name);
    if (!keys) {
      converted.unexpected.push_back(name);
    } else if (keys->empty()) {
      converted.dropped.push_back(name);
    } else if (keys->size() == 1) {
      converted.tensors.emplace(keys->front().key, tensor);
    } else {
      if (tensor.dim() == 0 || tensor.size(0) % kProjections != 0)
        throw CheckpointError(origin + ": '" + name + "' " + c10::str(tensor.sizes()) +
                              " is to be split into queries, keys and values, but its rows are not three equal parts");
      const std::vector<torch::Tensor> parts = tensor.chunk(kProjections, 0);
      for (std::size_t i = 0; i < parts.size(); ++i) converted.tensors.emplace((*keys)[i].key, parts[i]);
    }
  }
  return converted;
}

}  // namespace rtdetr
