#include "core/tensor/check.h"

#include <algorithm>

namespace rtdetr {
namespace {

std::string shape_text(torch::IntArrayRef shape) {
  std::string text = "[";
  for (const std::int64_t size : shape) {
    if (text.size() > 1) text += ", ";
    text += size < 0 ? "any" : std::to_string(size);
  }
  return text + "]";
}

}  // namespace

void check_shape(const torch::Tensor& tensor, std::initializer_list<std::int64_t> shape, const char* name) {
  if (!tensor.defined()) {
    throw InternalError(std::string(name) + ": want " + shape_text(shape) + ", have an undefined tensor");
  }
  const bool same = static_cast<std::size_t>(tensor.dim()) == shape.size() &&
                    std::equal(shape.begin(), shape.end(), tensor.sizes().begin(),
                               [](std::int64_t want, std::int64_t have) { return want < 0 || want == have; });
  if (!same) {
    throw InternalError(std::string(name) + ": want " + shape_text(shape) + ", have " + shape_text(tensor.sizes()));
  }
}

}  // namespace rtdetr
