#include "tests/parity/module_case.h"

#include <torch/types.h>

#include <catch2/catch.hpp>

#include "models/layers/module_tree.h"
#include "tests/support/fill.h"

namespace rtdetr::test {
namespace {

torch::Tensor first_numbers(const torch::Tensor& tensor) {
  const torch::Tensor flat = tensor.detach().reshape(-1).slice(0, 0, 4);
  return torch::constant_pad_nd(flat, {0, 4 - flat.size(0)});
}

}  // namespace

torch::Tensor centred(const std::string& tag, const std::string& name, const std::vector<std::int64_t>& shape) {
  return uniform_by_key("mod." + tag + "." + name, shape) * 2 - 1;
}

void fill_module(const ModuleCase& test) {
  const torch::NoGradGuard no_grad;
  test.module->to(torch::kFloat64);
  for (auto& [key, tensor] : named_state(*test.module)) {
    const torch::Tensor value = value_by_key("mod." + test.tag + "." + key, tensor.sizes().vec());
    if (value.defined()) tensor.copy_(value);
  }
}

void check_pass(const Fixture& fixture, const ModuleCase& test, const std::string& out, double limit) {
  const torch::Tensor found = test.forward(test.inputs);
  check_relative(test.tag + "." + out, found, fixture.tensor(test.tag + "." + out), limit);
  found.backward(centred(test.tag, "upstream", found.sizes().vec()));
  for (std::size_t i = 0; i < test.inputs.size(); ++i) {
    const std::string key = test.tag + ".grad_input." + std::to_string(i);
    check_relative(key, test.inputs[i].grad(), fixture.tensor(key), limit);
  }
  std::vector<torch::Tensor> norms, firsts;
  const auto parameters = test.module->named_parameters();
  for (const std::string name : fixture.json["modules"][test.tag]["grad_names"]) {
    const torch::Tensor* parameter = parameters.find(name);
    REQUIRE(parameter);
    norms.push_back(parameter->grad().norm());
    firsts.push_back(first_numbers(parameter->grad()));
  }
  CHECK(parameters.size() == norms.size());
  check_relative(test.tag + ".grad.norm", torch::stack(norms), fixture.tensor(test.tag + ".grad.norm"), limit);
  check_relative(test.tag + ".grad.first4", torch::stack(firsts), fixture.tensor(test.tag + ".grad.first4"), limit);
}

}  // namespace rtdetr::test
