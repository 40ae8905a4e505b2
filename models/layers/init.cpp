#include "models/layers/init.h"

#include <cmath>
#include <numbers>

#include "core/base/check.h"
#include "core/base/error.h"
#include "core/base/random.h"
#include "models/layers/module_tree.h"

namespace rtdetr {

namespace {

thread_local ParameterBudget* current_budget = nullptr;

std::uint64_t fnv1a64(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char byte : text) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

/// Fills in float32 from one stream, in row-major order.
template <typename Draw>
void fill(const torch::Tensor& tensor, Draw draw) {
  const torch::NoGradGuard no_grad;
  torch::Tensor values = torch::empty(tensor.sizes(), torch::kFloat32);
  float* out = values.data_ptr<float>();
  for (std::int64_t i = 0; i < values.numel(); ++i) out[i] = draw();
  tensor.copy_(values);
}

/// In (0, 1).
double unit(Random& random) { return (random.next_u32() + 0.5) * 0x1p-32; }

double length(const torch::Tensor& weight, int axis) { return static_cast<double>(weight.size(axis)); }
double fan_in(const torch::Tensor& weight) { return static_cast<double>(weight.numel()) / length(weight, 0); }

}  // namespace

ParameterBudget::ParameterBudget(bool counting_only, std::int64_t limit)
    : counting_only_(counting_only), limit_(limit), outer_(current_budget) {
  current_budget = this;
}

ParameterBudget::~ParameterBudget() { current_budget = outer_; }

torch::Device weight_device() { return current_budget && current_budget->counting_only_ ? torch::kMeta : torch::kCPU; }

torch::Tensor new_weight(torch::IntArrayRef shape) {
  ParameterBudget* budget = current_budget;
  if (!budget) return torch::empty(shape);
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(count, size, &count)) count = budget->limit_ + 1;
  }
  if (count > budget->limit_ - budget->used_) {
    throw ModelError("the model would have more than " + std::to_string(budget->limit_) + " parameters");
  }
  budget->used_ += count;
  return torch::empty(shape, weight_device());
}

void WeightDraws::uniform(const torch::Tensor& tensor, const std::string& name, double bound) const {
  Random random(seed_, RandomPurpose::kInitialWeights, 0, fnv1a64(path_ + name));
  fill(tensor, [&] { return static_cast<float>((2 * unit(random) - 1) * bound); });
}

void WeightDraws::normal(const torch::Tensor& tensor, const std::string& name) const {
  Random random(seed_, RandomPurpose::kInitialWeights, 0, fnv1a64(path_ + name));
  fill(tensor, [&] {  // Box and Muller, one of the two values
    const double radius = std::sqrt(-2 * std::log(unit(random)));
    return static_cast<float>(radius * std::cos(2 * std::numbers::pi * unit(random)));
  });
}

void WeightDraws::fan_in_uniform(const torch::Tensor& weight, const std::string& name) const {
  uniform(weight, name, 1 / std::sqrt(fan_in(weight)));
}

void WeightDraws::bias_uniform(const torch::Tensor& bias, const torch::Tensor& weight, const std::string& name) const {
  uniform(bias, name, 1 / std::sqrt(fan_in(weight)));
}

void WeightDraws::xavier_uniform(const torch::Tensor& weight, const std::string& name) const {
  const double area = fan_in(weight) / length(weight, 1);
  uniform(weight, name, std::sqrt(6 / (area * (length(weight, 0) + length(weight, 1)))));
}

void WeightDraws::constant(const torch::Tensor& tensor, double value) {
  const torch::NoGradGuard no_grad;
  torch::Tensor(tensor).fill_(value);
}

namespace {

void init_module(torch::nn::Module& module, const WeightDraws& draws) {
  if (auto* own = dynamic_cast<InitializesWeights*>(&module)) own->init_weights(draws);
}

void walk(torch::nn::Module& module, std::uint64_t seed, const std::string& path) {
  for (const auto& child : module.named_children()) walk(*child.value(), seed, path + child.key() + ".");
  const WeightDraws draws(seed, path);
  if (const auto* container = dynamic_cast<const Container*>(&module)) {
    for (const auto& guest : container->guests()) init_module(*guest, draws);
  }
  init_module(module, draws);
}

}  // namespace

void initialize_weights(torch::nn::Module& root, std::uint64_t seed) { walk(root, seed, ""); }

void copy_state(const torch::nn::Module& from, torch::nn::Module& to) {
  const torch::NoGradGuard no_grad;
  const auto copy = [](const auto& source, auto&& target) {
    for (const auto& item : source) {
      auto* found = target.find(item.key());
      RTDETR_CHECK(found, "copy_state: no tensor " + item.key());
      found->copy_(item.value());
    }
  };
  copy(from.named_parameters(), to.named_parameters());
  copy(from.named_buffers(), to.named_buffers());
}

}  // namespace rtdetr
