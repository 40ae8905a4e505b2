#include "core/weights/torch_tensor.h"

#include <algorithm>
#include <cstring>

namespace rtdetr {
namespace {

bool is_empty(const TorchView& view) { return std::find(view.size.begin(), view.size.end(), 0) != view.size.end(); }

/// Number of the last element that the view reaches, from its first one.
bool reach(const TorchView& view, std::int64_t& last) {
  last = 0;
  for (std::size_t i = 0; i < view.size.size(); ++i) {
    std::int64_t step = 0;
    if (__builtin_mul_overflow(view.size[i] - 1, view.stride[i], &step) || __builtin_add_overflow(last, step, &last))
      return false;
  }
  return true;
}

}  // namespace

std::string tensor_fault(const TorchView& view, std::uint64_t storage_bytes) {
  if (view.size.size() != view.stride.size()) return "has sizes and strides of different number";
  const auto negative = [](std::int64_t number) { return number < 0; };
  if (view.offset < 0 || std::any_of(view.size.begin(), view.size.end(), negative) ||
      std::any_of(view.stride.begin(), view.stride.end(), negative)) {
    return "has a negative offset, size or stride";
  }
  if (!bytes_of_shape(view.size, element_size(view.type))) return "has a size that overflows";
  if (is_empty(view)) return "";
  std::int64_t last = 0;
  if (!reach(view, last) || __builtin_add_overflow(last, view.offset, &last)) return "has strides that overflow";
  const std::uint64_t elements = storage_bytes / element_size(view.type);
  if (static_cast<std::uint64_t>(last) >= elements)
    return "reaches element " + std::to_string(last) + " of a storage that has " + std::to_string(elements);
  return "";
}

std::uint64_t laid_out_bytes(const TorchView& view) {
  return bytes_of_shape(view.size, element_size(view.type)).value_or(0);
}

StorageRange storage_range(const TorchView& view) {
  if (is_empty(view)) return {};
  std::int64_t last = 0;
  reach(view, last);
  const std::size_t element = element_size(view.type);
  return {static_cast<std::uint64_t>(view.offset) * element, (static_cast<std::uint64_t>(last) + 1) * element};
}

bool is_contiguous(const TorchView& view) {
  if (is_empty(view)) return true;
  std::int64_t expected = 1;
  for (std::size_t i = view.size.size(); i-- > 0;) {
    if (view.size[i] == 1) continue;
    if (view.stride[i] != expected) return false;
    expected *= view.size[i];
  }
  return true;
}

void lay_out(const TorchView& view, std::span<const std::byte> range, std::span<std::byte> out) {
  const std::size_t element = element_size(view.type);
  std::vector<std::int64_t> index(view.size.size(), 0), stride = view.stride;
  for (std::size_t i = 0; i < stride.size(); ++i)
    if (view.size[i] == 1) stride[i] = 0;  // never taken, and not bounded
  std::int64_t at = 0;                     // element of the range
  for (std::size_t done = 0; done < out.size(); done += element) {
    std::memcpy(out.data() + done, range.data() + static_cast<std::size_t>(at) * element, element);
    for (std::size_t i = index.size(); i-- > 0;) {
      at += stride[i];
      if (++index[i] < view.size[i]) break;
      at -= stride[i] * view.size[i];
      index[i] = 0;
    }
  }
}

}  // namespace rtdetr
