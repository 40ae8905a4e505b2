#include "models/onnx/onnx_builder.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <string_view>

#include <torch/types.h>

#include "core/base/check.h"
#include "core/base/error.h"
#include "core/base/text.h"

namespace rtdetr {

namespace {

/// Axes that follow the batch go by this name.
constexpr const char* kBatchName = "N";

/// Axes that follow height and width where these are free: a picture's own, [B, C, H, W], or all of a picture's cells.
OnnxDimension dimension(const OnnxValue& value, std::size_t axis) {
  const std::int64_t size = value.shape[axis];
  if (size == OnnxValue::kBatch) return kBatchName;
  if (size == OnnxValue::kFree) return value.rank() != 4 ? "cells" : axis == 2 ? "height" : "width";
  return size;
}

OnnxValueInfo value_info(const OnnxValue& value, const std::string& name) {
  OnnxValueInfo info{name, value.type, {}};
  for (std::size_t axis = 0; axis < value.shape.size(); ++axis) info.dims.push_back(dimension(value, axis));
  return info;
}

torch::ScalarType torch_type(OnnxType type) {
  if (type == OnnxType::kDouble) return torch::kDouble;
  return type == OnnxType::kFloat16 ? torch::kHalf : torch::kFloat;
}

/// @param role  of the constant, which messages name
OnnxTensor to_onnx(const std::string& role, const torch::Tensor& tensor, OnnxType float_type) {
  OnnxTensor result;
  torch::Tensor plain = tensor.detach().cpu().contiguous();
  if (plain.is_floating_point()) {
    plain = plain.to(torch_type(float_type));
    result.type = float_type;
    if (!torch::isfinite(plain).all().item<bool>()) {
      const bool rounded = torch::isfinite(tensor).all().item<bool>();
      throw CheckpointError(role + " holds numbers that are not finite" +
                            (rounded ? " in float16, which ends at 65504" : "") + "; engines would refuse the model");
    }
  } else {
    RTDETR_CHECK(plain.scalar_type() == torch::kLong, "a constant is made of floating numbers or of int64");
    result.type = OnnxType::kInt64;
  }
  result.dims = plain.sizes().vec();
  result.data.resize(plain.nbytes());
  if (!result.data.empty()) std::memcpy(result.data.data(), plain.data_ptr(), plain.nbytes());
  return result;
}

std::size_t hash_of(const std::vector<std::byte>& bytes) {
  return std::hash<std::string_view>{}({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::string joined(const std::vector<std::int64_t>& values) {
  std::string text;
  for (const std::int64_t value : values) text += (text.empty() ? "" : ",") + std::to_string(value);
  return "[" + text + "]";
}

}  // namespace

std::string OnnxBuilder::fresh_name(const std::string& wish) {
  std::string name = wish;
  for (std::int64_t& count = used_[wish]; count++ > 0;) {
    name = wish + "_" + std::to_string(count);
    if (used_.emplace(name, 1).second) break;
  }
  return name;
}

OnnxValue OnnxBuilder::input(const std::string& name, std::vector<std::int64_t> shape, OnnxType type) {
  const OnnxValue value{fresh_name(name), std::move(shape), type};
  graph_.inputs.push_back(value_info(value, value.name));
  if (native()) native_.values[value.name] = {value.shape, value.type};
  return value;
}

void OnnxBuilder::output(const OnnxValue& value, const std::string& name) {
  RTDETR_CHECK(fresh_name(name) == name, "another value is called '" + name + "', as the output should be");
  outputs_.emplace_back(value, name);
}

OnnxValue OnnxBuilder::constant(const std::string& role, const torch::Tensor& tensor) {
  return add_constant(scope_ + role, tensor, float_type_);
}

OnnxValue OnnxBuilder::number(double value) {
  return add_constant(format_double(value), torch::scalar_tensor(value, torch::kDouble), float_type_);
}

OnnxValue OnnxBuilder::integer(std::int64_t value) {
  return add_constant(std::to_string(value), torch::scalar_tensor(value, torch::kLong), float_type_);
}

OnnxValue OnnxBuilder::float32_constant(const std::string& role, const torch::Tensor& tensor) {
  return add_constant(scope_ + role, tensor, OnnxType::kFloat);
}

OnnxValue OnnxBuilder::precise_constant(const std::string& role, const torch::Tensor& tensor) {
  return add_constant(scope_ + role, tensor, precise_type());
}

OnnxValue OnnxBuilder::integers(const std::vector<std::int64_t>& values) {
  return add_constant(joined(values), torch::tensor(values, torch::kLong), float_type_);
}

OnnxValue OnnxBuilder::add_native_constant(const std::string& wish, const torch::Tensor& values, OnnxType float_type) {
  const bool floating = values.is_floating_point();
  const OnnxValue value{fresh_name(wish), values.sizes().vec(), floating ? float_type : OnnxType::kInt64};
  native_.values[value.name] = {value.shape, value.type};
  native_.constants[value.name] = floating ? values.detach().to(torch_type(float_type)) : values;
  return value;
}

OnnxValue OnnxBuilder::add_constant(const std::string& wish, const torch::Tensor& values, OnnxType float_type) {
  if (native()) return add_native_constant(wish, values, float_type);
  OnnxTensor tensor = to_onnx(wish, values, float_type);
  const std::size_t hash = hash_of(tensor.data);
  const auto [first, last] = constants_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    const OnnxTensor& present = graph_.initializers[it->second];
    if (present.type == tensor.type && present.dims == tensor.dims && present.data == tensor.data) {
      return {present.name, present.dims, present.type};
    }
  }
  tensor.name = fresh_name(wish);
  constants_.emplace(hash, graph_.initializers.size());
  graph_.initializers.push_back(std::move(tensor));
  const OnnxTensor& added = graph_.initializers.back();
  return {added.name, added.dims, added.type};
}

std::string OnnxBuilder::native_name(const std::string& node, std::size_t k) {
  return k == 0 ? node : fresh_name(node + ":" + std::to_string(k));
}

OnnxValue OnnxBuilder::node(const std::string& op, const std::vector<OnnxValue>& inputs, OnnxResult result,
                            OnnxAttributes attributes) {
  return node(op, inputs, std::vector<OnnxResult>{std::move(result)}, std::move(attributes)).front();
}

std::vector<OnnxValue> OnnxBuilder::node(const std::string& op, const std::vector<OnnxValue>& inputs,
                                         std::vector<OnnxResult> results, OnnxAttributes attributes) {
  OnnxNode added;
  added.op = op;
  added.name = fresh_name(scope_ + op);
  for (const OnnxValue& input : inputs) added.inputs.push_back(input.name);
  added.attributes = std::move(attributes);
  std::vector<OnnxValue> values;
  for (std::size_t k = 0; k < results.size(); ++k) {
    const std::string name = native() ? native_name(added.name, k) : fresh_name("v" + std::to_string(value_count_++));
    added.outputs.push_back(name);
    if (native()) native_.values[name] = results[k];
    values.push_back({name, std::move(results[k].shape), results[k].type});
  }
  graph_.nodes.push_back(std::move(added));
  return values;
}

void OnnxBuilder::rename(const std::string& from, const std::string& to) {
  for (OnnxNode& node : graph_.nodes) {
    std::ranges::replace(node.inputs, from, to);
    std::ranges::replace(node.outputs, from, to);
  }
  for (auto& [value, wish] : outputs_) {
    if (value.name == from) value.name = to;
  }
}

NativeGraph OnnxBuilder::finish_native() {
  RTDETR_CHECK(native(), "the graph is written for files");
  NativeGraph whole = std::move(native_);
  whole.nodes = std::move(graph_.nodes);
  native_ = {};
  graph_ = {};
  used_.clear();
  return whole;
}

void OnnxBuilder::drop_unread_constants() {
  std::set<std::string_view> read;
  for (const OnnxNode& node : graph_.nodes) read.insert(node.inputs.begin(), node.inputs.end());
  std::erase_if(graph_.initializers, [&](const OnnxTensor& constant) { return !read.contains(constant.name); });
}

OnnxGraph OnnxBuilder::finish(const std::string& name) {
  for (auto& [output, wish] : outputs_) {
    OnnxValue& value = output;  // clang 14 captures no binding
    const auto gives = [&](const OnnxNode& node) { return std::ranges::count(node.outputs, value.name) > 0; };
    // An input, a constant or what is an output already keeps its own name.
    const bool named = std::ranges::any_of(graph_.outputs, [&](const auto& other) { return other.name == value.name; });
    if (named || std::ranges::none_of(graph_.nodes, gives))
      value = node("Identity", {value}, {value.shape, value.type});
    const std::string present = value.name;
    rename(present, wish);
    graph_.outputs.push_back(value_info(value, wish));
  }
  drop_unread_constants();
  graph_.name = name;
  OnnxGraph whole = std::move(graph_);
  graph_ = {};
  constants_.clear();
  used_.clear();
  outputs_.clear();
  return whole;
}

}  // namespace rtdetr
