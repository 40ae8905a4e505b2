#include "models/block.h"

#include "core/io/error.h"

namespace rtdetr {

namespace {

/// Has children and nothing else.
class Container : public torch::nn::Module {};

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

}  // namespace rtdetr
