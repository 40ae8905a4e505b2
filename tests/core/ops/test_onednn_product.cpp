#include "core/ops/onednn_product.h"

#include <cstdlib>

#include <torch/library.h>
#include <torch/types.h>

#include <catch2/catch.hpp>

#include "core/ops/linear.h"

using rtdetr::OnednnProduct;
using torch::Tensor;

namespace {

using OptionalScalars = c10::List<std::optional<at::Scalar>>;
using OptionalText = std::optional<std::string_view>;

/// What torch::linear computes, or in one way or another not.
template <int kFault>
Tensor operator_of_tests(const Tensor& a, const Tensor& b, const std::optional<Tensor>& bias, std::string_view,
                         OptionalScalars, OptionalText) {  // by value: the types that LibTorch compares
  if (kFault == 1) throw std::runtime_error("no kernel for this processor");
  if (kFault == 3 && !b.is_contiguous()) return torch::linear(a, b.as_strided(b.sizes(), {b.size(1), 1}));
  return torch::linear(a, b, kFault == 2 ? Tensor() : bias.value_or(Tensor()));
}

constexpr const char* kSchema =
    "(Tensor X, Tensor W, Tensor? B, str attr, Scalar?[] scalars, str? algorithm) -> Tensor";

/// An operator that lives as long as this object.
template <int kFault>
struct Registered {
  torch::Library library{torch::Library::FRAGMENT, "rtdetr_test", std::nullopt, __FILE__, __LINE__};
  explicit Registered(const std::string& name) {
    library.def((name + kSchema).c_str());
    library.impl(name.c_str(), c10::DispatchKey::CompositeExplicitAutograd, &operator_of_tests<kFault>);
  }
};

/// LibTorch's warnings, while it lives.
struct Warnings : c10::WarningHandler {
  std::vector<std::string> texts;
  c10::WarningUtils::WarningHandlerGuard guard{this};
  void process(const c10::Warning& warning) override { texts.push_back(warning.msg()); }
};

void check_refused(const std::string& name, const std::string& why) {
  INFO(name);
  Warnings warnings;
  CHECK_FALSE(OnednnProduct::find(name));
  REQUIRE(warnings.texts.size() == 1);
  CHECK(warnings.texts[0] ==
        "linear layers on the CPU are left to torch::linear, which is slower on AMD: " + name + " " + why);
}

}  // namespace

TEST_CASE("the product of this LibTorch is taken, without a word and without a random number") {
  Warnings warnings;
  torch::manual_seed(3);
  const Tensor expected = torch::randn(4);
  torch::manual_seed(3);
  CHECK(OnednnProduct::of_libtorch() != nullptr);
  CHECK(torch::equal(torch::randn(4), expected));
  CHECK(warnings.texts.empty());
}

TEST_CASE("an operator of the same arguments that computes the same is taken") {
  const Registered<0> same("same");
  Warnings warnings;
  CHECK(OnednnProduct::find("rtdetr_test::same"));
  CHECK(warnings.texts.empty());
}

TEST_CASE("a product that is missing, takes other arguments or computes something else is refused with one warning") {
  const Registered<1> throws("throws");
  const Registered<2> no_bias("no_bias");
  const Registered<3> no_views("no_views");
  torch::Library library(torch::Library::FRAGMENT, "rtdetr_test", std::nullopt, __FILE__, __LINE__);
  library.def("other(Tensor a, Tensor b) -> Tensor", [](const Tensor& a, const Tensor& b) { return a.matmul(b.t()); });
  check_refused("rtdetr_test::missing", "is not in this LibTorch");
  check_refused("no_such_library::linear", "is not in this LibTorch");
  check_refused("rtdetr_test::other", "takes other arguments in this LibTorch");
  check_refused("rtdetr_test::throws", "throws in this LibTorch");
  for (const char* name : {"no_bias", "no_views"})
    check_refused(std::string("rtdetr_test::") + name, "computes something else in this LibTorch");
}

TEST_CASE("linear is torch::linear, after one warning, where the product computes something else", "[wrong_product]") {
  if (std::getenv("RTDETR_TEST_CHILD") == nullptr) {  // a process of its own, for a product is looked up once
    CHECK(std::system("RTDETR_TEST_CHILD=1 /proc/$PPID/exe '[wrong_product]'") == 0);
    return;
  }
  torch::Library library(torch::Library::IMPL, "mkldnn", c10::DispatchKey::CPU, __FILE__, __LINE__);
  library.impl("_linear_pointwise", &operator_of_tests<2>);
  Warnings warnings;
  const Tensor x = torch::randn({3, 8}).set_requires_grad(true), weight = torch::randn({4, 8}),
               bias = torch::randn({4});
  for (const bool relu : {false, true}) {
    const Tensor y = rtdetr::linear(x, weight, bias, relu), expected = torch::linear(x, weight, bias);
    CHECK(torch::equal(y, relu ? expected.relu() : expected));
    y.sum().backward();
  }
  CHECK(x.grad().defined());
  CHECK(warnings.texts.size() == 1);
}
