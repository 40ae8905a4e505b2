#include "models/layers/state_constants.h"

#include <cmath>

#include "core/base/text.h"
#include "models/layers/module_tree.h"

namespace rtdetr {

std::map<std::string, double> constants_of(const torch::nn::Module& module) {
  std::map<std::string, double> constants;
  const auto add_own = [&constants](const torch::nn::Module& holder, const std::string& prefix) {
    const auto* held = dynamic_cast<const HoldsConstants*>(&holder);
    if (held == nullptr) return;
    for (const StateConstant& constant : held->constants()) constants.emplace(prefix + constant.key, constant.value);
  };
  const auto add = [&add_own](const torch::nn::Module& holder, const std::string& prefix) {
    add_own(holder, prefix);
    const auto* container = dynamic_cast<const Container*>(&holder);
    if (container == nullptr) return;
    for (const auto& guest : container->guests()) add_own(*guest, prefix);
  };
  add(module, "");
  for (const auto& item : module.named_modules("", /*include_self=*/false)) add(*item.value(), item.key() + ".");
  return constants;
}

bool says_constant(const torch::Tensor& tensor, double value) {
  constexpr double kOfHalf = 4e-3;  // bfloat16 rounds by half of that
  return tensor.numel() == 1 && std::abs(tensor.item<double>() - value) <= kOfHalf * std::abs(value);
}

std::string other_constant(const torch::Tensor& tensor, double value) {
  const std::string found =
      tensor.numel() == 1 ? format_double(tensor.item<double>()) : c10::str("a tensor ", tensor.sizes());
  return found + " instead of " + format_double(value);
}

}  // namespace rtdetr
