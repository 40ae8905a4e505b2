#include "train/run/state_registry.h"

#include <sstream>

#include "core/base/check.h"
#include "core/base/error.h"
#include "models/layers/module_tree.h"

namespace rtdetr {
namespace {

std::string describe(const torch::Tensor& tensor) {
  std::ostringstream text;
  text << type_name(to_tensor_type(tensor.scalar_type())) << ' ' << tensor.sizes();
  return text.str();
}

}  // namespace

void StateRegistry::add(const std::string& name, torch::Tensor tensor) {
  const bool fresh =
      !counters_.contains(name) && !values_.contains(name) && tensors_.emplace(name, tensor.detach()).second;
  RTDETR_CHECK(fresh, "state '" + name + "' is registered twice");
}

void StateRegistry::add(const std::string& name, std::int64_t* counter) {
  const bool fresh = !tensors_.contains(name) && !values_.contains(name) && counters_.emplace(name, counter).second;
  RTDETR_CHECK(fresh, "state '" + name + "' is registered twice");
}

void StateRegistry::add(const std::string& name, double* value) {
  const bool fresh = !tensors_.contains(name) && !counters_.contains(name) && values_.emplace(name, value).second;
  RTDETR_CHECK(fresh, "state '" + name + "' is registered twice");
}

void StateRegistry::add_module(const std::string& prefix, const torch::nn::Module& module) {
  for (const auto& [key, tensor] : named_state(module)) add(prefix + key, tensor);
}

TensorMap StateRegistry::capture() const {
  TensorMap state = entries();
  for (auto& [name, tensor] : state) tensor = tensor.cpu();
  return state;
}

TensorMap StateRegistry::entries() const {
  TensorMap state = tensors_;
  for (const auto& [name, counter] : counters_) state.emplace(name, torch::tensor(*counter, torch::kInt64));
  for (const auto& [name, value] : values_) state.emplace(name, torch::tensor(*value, torch::kFloat64));
  return state;
}

void StateRegistry::restore(const TensorMap& saved, const std::string& origin) {
  check(saved, origin);
  torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : tensors_) tensor.copy_(saved.at(name));
  for (auto& [name, counter] : counters_) *counter = saved.at(name).item<std::int64_t>();
  for (auto& [name, value] : values_) *value = saved.at(name).item<double>();
}

void StateRegistry::check(const TensorMap& saved, const std::string& origin) const {
  const TensorMap wanted = entries();
  for (const auto& [name, tensor] : wanted) {
    const auto found = saved.find(name);
    if (found == saved.end())
      throw CheckpointError(origin + ": '" + name + "' is missing; the run cannot be continued from it");
    if (found->second.scalar_type() != tensor.scalar_type() || found->second.sizes() != tensor.sizes()) {
      throw CheckpointError(origin + ": '" + name + "' is " + describe(found->second) + ", this run needs " +
                            describe(tensor));
    }
  }
  for (const auto& [name, tensor] : saved) {
    if (!wanted.contains(name))
      throw CheckpointError(origin + ": unknown entry '" + name + "'; written by another version?");
  }
}

}  // namespace rtdetr
