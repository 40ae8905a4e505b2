#include "core/ops/onednn_product.h"

#include <exception>

#include <ATen/record_function.h>
#include <torch/types.h>

namespace rtdetr {
namespace {

using torch::Tensor;

/// Small whole numbers, so that every way to a sum of their products gives the same bits.
Tensor whole_numbers(std::int64_t rows, std::int64_t columns) {
  return (torch::arange(rows * columns, torch::kFloat) % 7 - 3).view({rows, columns});
}

}  // namespace

const OnednnProduct* OnednnProduct::of_libtorch() {
  static const auto product = find("mkldnn::_linear_pointwise");
  return product ? &*product : nullptr;
}

std::optional<OnednnProduct> OnednnProduct::find(const std::string& name) {
  std::string why = "is not in this LibTorch";
  try {
    if (const auto op = c10::Dispatcher::singleton().findSchema({name, ""})) {
      why = "takes other arguments in this LibTorch";
      const OnednnProduct product(*op);
      why = "throws in this LibTorch";
      if (product.equals_linear()) return product;
      why = "computes something else in this LibTorch";
    }
  } catch (const std::exception&) {
    // `why` says where
  }
  TORCH_WARN("linear layers on the CPU are left to torch::linear, which is slower on AMD: ", name, " ", why);
  return std::nullopt;
}

Tensor OnednnProduct::operator()(const Tensor& a, const Tensor& b, const std::optional<Tensor>& bias) const {
  return op_.call(a, b, bias, "none", c10::List<std::optional<at::Scalar>>(), std::nullopt);
}

/// As the forward and the backward pass of a layer use it. Whoever counts operations does not see it.
bool OnednnProduct::equals_linear() const {
  const at::DisableRecordFunctionGuard unseen;
  const c10::InferenceMode inference;
  const Tensor x = whole_numbers(5, 12), weight = whole_numbers(3, 12), bias = whole_numbers(1, 3).view(3);
  const Tensor y = torch::linear(x, weight, bias);
  return torch::equal((*this)(x, weight), torch::linear(x, weight)) && torch::equal((*this)(x, weight, bias), y) &&
         torch::equal((*this)(y, weight.t()), y.matmul(weight)) && torch::equal((*this)(y.t(), x.t()), y.t().matmul(x));
}

}  // namespace rtdetr
