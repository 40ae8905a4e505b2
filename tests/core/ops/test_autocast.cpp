#include "core/ops/autocast.h"

#include <ATen/autocast_mode.h>
#include <torch/types.h>

#include <catch2/catch.hpp>
#include <limits>

using rtdetr::AutocastScope;
using rtdetr::Precision;
using torch::Tensor;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

torch::ScalarType type_of_product() { return torch::linear(torch::ones({1, 2}), torch::ones({1, 2})).scalar_type(); }

}  // namespace

TEST_CASE("products take the scope's type, and the one around it again when it ends") {
  const AutocastScope none(Precision::kFloat32, torch::kCPU);
  CHECK(type_of_product() == torch::kFloat32);
  {
    const AutocastScope outer(Precision::kFloat16, torch::kCPU);
    CHECK(type_of_product() == torch::kFloat16);
    {
      const AutocastScope inner(Precision::kBFloat16, torch::kCPU);
      CHECK(type_of_product() == torch::kBFloat16);
    }
    CHECK(type_of_product() == torch::kFloat16);
  }
  CHECK(type_of_product() == torch::kFloat32);
}

TEST_CASE("infinities of float16 become its largest numbers, those of other types stay") {
  const Tensor x = torch::tensor({1.5F, kInfinity, -kInfinity});
  CHECK(torch::equal(rtdetr::within_float16(x.to(torch::kHalf)).to(torch::kFloat32),
                     torch::tensor({1.5F, 65504.0F, -65504.0F})));
  for (const auto type : {torch::kFloat32, torch::kBFloat16})
    CHECK(rtdetr::within_float16(x.to(type)).isinf().sum().item<int>() == 2);
  CHECK(rtdetr::within_float16(torch::full({1}, NAN, torch::kHalf)).isnan().item<bool>());
}

TEST_CASE("a sum with a term of float16 has no infinity, whatever the other's type") {
  const Tensor x = torch::full({2}, 6e4F), y = torch::tensor({6e4F, kInfinity});
  for (const auto type : {torch::kHalf, torch::kFloat32}) {
    const Tensor sum = rtdetr::residual(x.to(type), y.to(torch::kHalf));
    CHECK(sum.scalar_type() == type);
    CHECK(torch::equal(sum.to(torch::kFloat32), torch::full({2}, 65504.0F)));
  }
  CHECK(rtdetr::residual(x, y).isinf().any().item<bool>());
}

TEST_CASE("a cut element gives its gradient to nobody, the others theirs") {
  const Tensor x = torch::tensor({1.0F, kInfinity}).to(torch::kHalf).set_requires_grad(true);
  rtdetr::within_float16(x).sum().backward();
  CHECK(torch::equal(x.grad().to(torch::kFloat32), torch::tensor({1.0F, 0.0F})));
}

TEST_CASE("TF32 is allowed or not on cards alone: the CPU's products keep their bits") {
  using Backend = at::Float32Backend;
  using Op = at::Float32Op;
  torch::manual_seed(0);
  const Tensor a = torch::randn({32, 64}), b = torch::randn({64, 16}), before = a.mm(b);
  for (const bool allowed : {true, false}) {
    rtdetr::allow_tf32(allowed);
    const at::Context& context = at::globalContext();
    CHECK(context.allowTF32CuBLAS() == allowed);
    for (const Op op : {Op::MATMUL, Op::CONV}) {
      CHECK((context.float32Precision(Backend::CUDA, op) == at::Float32Precision::TF32) == allowed);
      CHECK(context.float32Precision(Backend::MKLDNN, op) == at::Float32Precision::NONE);
    }
    CHECK(torch::equal(a.mm(b), before));
  }
}

TEST_CASE("every CPU counts as one that computes bfloat16") { CHECK(rtdetr::computes_bfloat16(torch::kCPU)); }
