// Values taken by index, and the largest.
#include <torch/types.h>

#include "models/deploy/onnx/operators.h"

namespace rtdetr {
namespace {

using torch::Tensor;
using Values = std::vector<Tensor>;
using Integers = std::vector<std::int64_t>;

Integers part_of(at::IntArrayRef sizes, std::int64_t begin, std::int64_t end) {
  return {sizes.begin() + begin, sizes.begin() + end};
}

Integers joined(Integers a, const Integers& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// The axis is replaced by the indices' axes.
Values onnx_gather(const OnnxCall& call) {
  const Tensor& x = call.input(0);
  const auto axis = call.axis("axis", 0, x.dim());
  const Tensor indices = counted_from_the_front(call, call.input(1), x.size(axis));
  const Integers shape =
      joined(joined(part_of(x.sizes(), 0, axis), indices.sizes().vec()), part_of(x.sizes(), axis + 1, x.dim()));
  return {x.index_select(axis, indices.flatten()).reshape(shape)};
}

Values onnx_gather_elements(const OnnxCall& call) {
  const Tensor& x = call.input(0);
  const auto axis = call.axis("axis", 0, x.dim());
  call.check(call.input(1).dim() == x.dim(), "indices must have the rank of the data");
  return {x.gather(axis, counted_from_the_front(call, call.input(1), x.size(axis)))};
}

/// The last axis of the indices is a place in the data's axes behind the shared ones.
Values onnx_gather_nd(const OnnxCall& call) {
  const Tensor &x = call.input(0), &indices = call.input(1);
  const auto shared = call.integer("batch_dims", 0);
  call.check(indices.dim() >= 1 && shared >= 0 && shared < indices.dim() && shared < x.dim(),
             "batch_dims does not fit");
  const auto depth = indices.size(-1), axes_used = shared + depth;
  call.check(depth >= 1 && axes_used <= x.dim(), "the indices name more axes than the data has");
  const Integers batch = part_of(x.sizes(), 0, shared);
  call.check(batch == part_of(indices.sizes(), 0, shared), "data and indices differ in the shared axes");

  Tensor place = torch::zeros(part_of(indices.sizes(), 0, indices.dim() - 1), indices.options().dtype(torch::kInt64));
  std::int64_t places = 1;
  for (std::int64_t k = 0; k < depth; ++k) {
    const auto size = x.size(shared + k);
    place = place * size + counted_from_the_front(call, indices.select(-1, k), size);
    places *= size;
  }
  std::int64_t images = 1;
  for (const auto size : batch) images *= size;
  const Tensor first = torch::arange(images, place.options()).mul(places).unsqueeze(1);  // of each image's places
  const std::int64_t each = images == 0 ? 0 : place.numel() / images;
  const Tensor rows = (place.reshape({images, each}) + first).flatten();
  const Integers rest = part_of(x.sizes(), axes_used, x.dim());
  const Integers shape = joined(part_of(indices.sizes(), 0, indices.dim() - 1), rest);
  return {x.reshape(joined({images * places}, rest)).index_select(0, rows).reshape(shape)};
}

/// Of equal values the one with the lower index comes first.
Values onnx_top_k(const OnnxCall& call) {
  const Tensor& x = call.input(0);
  const auto axis = call.axis("axis", -1, x.dim());
  const Integers count = call.integers(std::size_t{1});
  call.check(count.size() == 1 && count[0] >= 0 && count[0] <= x.size(axis), "K must be one number up to the axis");
  const auto [values, indices] = x.sort(/*stable=*/true, axis, /*descending=*/call.integer("largest", 1) != 0);
  return {values.narrow(axis, 0, count[0]), indices.narrow(axis, 0, count[0])};
}

/// Without axes: over all.
Values onnx_reduce_max(const OnnxCall& call) {
  const Tensor& x = call.input(0);
  return {x.amax(call.integers("axes", {}), call.integer("keepdims", 1) != 0)};
}

/// Without axes: over all.
Values onnx_reduce_mean(const OnnxCall& call) {
  const Tensor& x = call.floating(0);
  return {x.mean(call.integers("axes", {}), call.integer("keepdims", 1) != 0)};
}

}  // namespace

const std::vector<OnnxOperator>& selection_operators() {
  static const std::vector<OnnxOperator> kTable = {
      {"Gather", 2, 2, {"axis"}, onnx_gather},
      {"GatherElements", 2, 2, {"axis"}, onnx_gather_elements},
      {"GatherND", 2, 2, {"batch_dims"}, onnx_gather_nd},
      {"ReduceMax", 1, 1, {"axes", "keepdims"}, onnx_reduce_max},
      {"ReduceMean", 1, 1, {"axes", "keepdims"}, onnx_reduce_mean},
      {"TopK", 2, 2, {"axis", "largest", "sorted"}, onnx_top_k},
  };
  return kTable;
}

}  // namespace rtdetr
