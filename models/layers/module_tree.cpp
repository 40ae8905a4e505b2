#include "models/layers/module_tree.h"

#include <torch/nn/module.h>
#include <torch/types.h>

#include <algorithm>

#include "core/base/error.h"
#include "models/layers/drop_path.h"

namespace rtdetr {

namespace {

void append_state(const torch::nn::Module& module, const std::string& prefix,
                  std::vector<std::pair<std::string, torch::Tensor>>& state) {
  for (const auto& item : module.named_parameters(/*recurse=*/false))
    state.emplace_back(prefix + item.key(), item.value());
  for (const auto& item : module.named_buffers(/*recurse=*/false))
    state.emplace_back(prefix + item.key(), item.value());
  for (const auto& child : module.named_children()) append_state(*child.value(), prefix + child.key() + ".", state);
}

}  // namespace

void Container::take_in(std::shared_ptr<torch::nn::Module> guest) {
  if (!guest->named_parameters(/*recurse=*/false).is_empty() || !guest->named_buffers(/*recurse=*/false).is_empty())
    throw ModelError("has tensors of its own, which need a name: its path cannot end in a dot");
  const auto* drops = dynamic_cast<const DropsPaths*>(guest.get());
  if (drops != nullptr && drops->path_count() > 0)
    throw ModelError("drops branches in training, for which it must be registered: its path cannot end in a dot");
  Guest entry{guest, {}};
  for (const auto& child : guest->named_children()) take_child(entry, child);
  guests_.push_back(std::move(entry));
}

void Container::take_child(Guest& guest, const Child& child) {
  if (named_children().contains(child.key()))
    throw ModelError("puts '" + child.key() + "' where another row has put a module of that name");
  register_module(child.key(), child.value());
  guest.children.push_back(child.key());
}

void Container::follow_guests() {
  for (Guest& guest : guests_) {
    const auto kept = guest.module->named_children();
    std::erase_if(guest.children, [&](const std::string& child) {
      const bool gone = !kept.contains(child);
      if (gone) unregister_module(child);
      return gone;
    });
    for (const auto& child : kept) {
      if (std::ranges::find(guest.children, child.key()) == guest.children.end()) take_child(guest, child);
    }
  }
}

std::vector<std::shared_ptr<torch::nn::Module>> Container::guests() const {
  std::vector<std::shared_ptr<torch::nn::Module>> modules;
  for (const Guest& guest : guests_) modules.push_back(guest.module);
  return modules;
}

bool Container::is_of_guest(const std::string& child) const {
  return std::any_of(guests_.begin(), guests_.end(), [&](const Guest& guest) {
    return std::find(guest.children.begin(), guest.children.end(), child) != guest.children.end();
  });
}

void register_at(torch::nn::Module& parent, const std::string& path, std::shared_ptr<torch::nn::Module> module) {
  if (path.empty() || path == ".") {
    auto* container = dynamic_cast<Container*>(&parent);
    if (!container) throw ModelError("ends in a dot, but is another row's module");
    return container->take_in(std::move(module));
  }
  const std::size_t dot = path.find('.');
  const std::string name = path.substr(0, dot);
  const auto children = parent.named_children();
  const std::shared_ptr<torch::nn::Module>* found = children.find(name);
  if (dot == std::string::npos) {
    if (found) throw ModelError("is where another row has put a module of that name");
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
