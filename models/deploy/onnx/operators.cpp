#include "models/deploy/onnx/operators.h"

#include <optional>

#include <torch/types.h>

#include "core/base/error.h"

namespace rtdetr {

namespace {

/// As torch_type, and nothing for a type that is not known.
std::optional<torch::ScalarType> known_type(OnnxType type, torch::ScalarType floats) {
  const bool exact = floats == torch::kFloat64;
  switch (type) {
    case OnnxType::kFloat:
      return floats;
    case OnnxType::kFloat16:
      return exact ? floats : torch::kFloat16;
    case OnnxType::kBfloat16:
      return exact ? floats : torch::kBFloat16;
    case OnnxType::kDouble:
      return torch::kFloat64;
    case OnnxType::kUint8:
      return torch::kUInt8;
    case OnnxType::kInt8:
      return torch::kInt8;
    case OnnxType::kInt32:
      return torch::kInt32;
    case OnnxType::kInt64:
      return torch::kInt64;
    case OnnxType::kBool:
      return torch::kBool;
  }
  return std::nullopt;
}

}  // namespace

const torch::Tensor& OnnxCall::input(std::size_t i) const {
  check(has(i), "needs its input " + std::to_string(i));
  return inputs_[i];
}

const torch::Tensor& OnnxCall::floating(std::size_t i) const {
  check(input(i).is_floating_point(), "is known for floating numbers only");
  return input(i);
}

std::vector<std::int64_t> OnnxCall::integers(std::size_t i) const {
  const torch::Tensor& values = input(i);
  check(values.scalar_type() == torch::kInt64 && values.dim() <= 1,
        "input " + std::to_string(i) + " must be a list of int64");
  const torch::Tensor list = values.cpu().contiguous();
  const auto* first = list.const_data_ptr<std::int64_t>();
  return {first, first + list.numel()};
}

template <typename T>
const T* OnnxCall::attribute(const std::string& name) const {
  const auto found = node_.attributes.find(name);
  if (found == node_.attributes.end()) return nullptr;
  const T* value = std::get_if<T>(&found->second);
  check(value, "attribute " + name + " has another type");
  return value;
}

std::int64_t OnnxCall::integer(const std::string& name, std::int64_t fallback) const {
  const auto* value = attribute<std::int64_t>(name);
  return value ? *value : fallback;
}

std::int64_t OnnxCall::required_integer(const std::string& name) const {
  const auto* value = attribute<std::int64_t>(name);
  check(value, "needs the attribute " + name);
  return *value;
}

double OnnxCall::number(const std::string& name, double fallback) const {
  const auto* value = attribute<float>(name);
  return value ? static_cast<double>(*value) : fallback;
}

std::string OnnxCall::text(const std::string& name, const std::string& fallback) const {
  const auto* value = attribute<std::string>(name);
  return value ? *value : fallback;
}

std::vector<std::int64_t> OnnxCall::integers(const std::string& name, const std::vector<std::int64_t>& fallback) const {
  const auto* value = attribute<std::vector<std::int64_t>>(name);
  return value ? *value : fallback;
}

std::int64_t OnnxCall::axis(const std::string& name, std::int64_t fallback, std::int64_t rank) const {
  const std::int64_t given = integer(name, fallback);
  check(given >= -rank && given < rank, name + " " + std::to_string(given) + " is no axis of " + std::to_string(rank));
  return given < 0 ? given + rank : given;
}

torch::ScalarType OnnxCall::type_of(std::int64_t number) const {
  const auto type = static_cast<OnnxType>(number);
  const std::optional<torch::ScalarType> known = known_type(type, floats_);
  check(known && static_cast<std::int64_t>(type) == number, "data type " + std::to_string(number) + " is not known");
  return *known;
}

void OnnxCall::check_one_type() const {
  for (std::size_t i = 1; i < count(); ++i) {
    if (has(i)) check(input(i).scalar_type() == input(0).scalar_type(), "takes inputs of one type");
  }
}

void OnnxCall::refuse(const std::string& rule) const {
  std::string shapes;
  for (const torch::Tensor& value : inputs_)
    shapes += (shapes.empty() ? "" : ", ") + (value.defined() ? c10::str(value.scalar_type(), value.sizes()) : "none");
  throw CheckpointError("ONNX node '" + node_.name + "' (" + node_.op + " of " + shapes + "): " + rule);
}

torch::ScalarType torch_type(OnnxType type, torch::ScalarType floats) {
  if (const auto known = known_type(type, floats)) return *known;
  throw CheckpointError("ONNX: data type " + std::to_string(static_cast<int>(type)) + " is not known");
}

torch::Tensor counted_from_the_front(const OnnxCall& call, const torch::Tensor& indices, std::int64_t size) {
  call.check(indices.scalar_type() == torch::kInt64 || indices.scalar_type() == torch::kInt32,
             "indices must be int32 or int64");
  const bool inside = indices.numel() == 0 ||
                      (indices.min().item<std::int64_t>() >= -size && indices.max().item<std::int64_t>() < size);
  call.check(inside, "an index lies outside the " + std::to_string(size) + " entries of its axis");
  const torch::Tensor whole = indices.to(torch::kInt64);
  return torch::where(whole.lt(0), whole + size, whole);
}

const OnnxOperator* find_onnx_operator(const std::string& name) {
  for (const auto* family :
       {&elementwise_operators(), &shape_operators(), &layer_operators(), &selection_operators()}) {
    for (const OnnxOperator& entry : *family) {
      if (name == entry.name) return &entry;
    }
  }
  return nullptr;
}

}  // namespace rtdetr
