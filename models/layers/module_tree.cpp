#include "models/layers/module_tree.h"

#include <torch/torch.h>

#include "core/base/error.h"

namespace rtdetr {

namespace {

/// Has children and nothing else.
class Container : public torch::nn::Module {};

void append_state(const torch::nn::Module& module, const std::string& prefix,
                  std::vector<std::pair<std::string, torch::Tensor>>& state) {
  for (const auto& item : module.named_parameters(/*recurse=*/false))
    state.emplace_back(prefix + item.key(), item.value());
  for (const auto& item : module.named_buffers(/*recurse=*/false))
    state.emplace_back(prefix + item.key(), item.value());
  for (const auto& child : module.named_children()) append_state(*child.value(), prefix + child.key() + ".", state);
}

}  // namespace

void register_at(torch::nn::Module& parent, const std::string& path, std::shared_ptr<torch::nn::Module> module) {
  const std::size_t dot = path.find('.');
  const std::string name = path.substr(0, dot);
  const auto children = parent.named_children();
  const std::shared_ptr<torch::nn::Module>* found = children.find(name);
  if (dot == std::string::npos) {
    RTDETR_CHECK(!found, "two modules are called '" + path + "'");
    parent.register_module(name, std::move(module));
    return;
  }
  std::shared_ptr<torch::nn::Module> next = found ? *found : std::make_shared<Container>();
  if (!found) parent.register_module(name, next);
  register_at(*next, path.substr(dot + 1), std::move(module));
}

std::shared_ptr<torch::nn::Module> same_tensors(const torch::nn::Module& module) {
  auto copy = std::make_shared<Container>();
  for (const auto& item : module.named_parameters(/*recurse=*/false)) copy->register_buffer(item.key(), item.value());
  for (const auto& child : module.named_children()) copy->register_module(child.key(), same_tensors(*child.value()));
  return copy;
}

std::vector<std::pair<std::string, torch::Tensor>> named_state(const torch::nn::Module& module) {
  std::vector<std::pair<std::string, torch::Tensor>> state;
  append_state(module, "", state);
  return state;
}

std::int64_t count_parameters(const torch::nn::Module& module) {
  std::int64_t total = 0;
  for (const torch::Tensor& parameter : module.parameters()) total += parameter.numel();
  return total;
}

void to_channels_last(torch::nn::Module& module) {
  const torch::NoGradGuard no_grad;
  for (torch::Tensor& parameter : module.parameters()) {
    if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(torch::MemoryFormat::ChannelsLast));
  }
}

}  // namespace rtdetr
