#include "core/weights/pickle_names.h"

#include <algorithm>

namespace rtdetr {
namespace {

struct Known {
  std::string_view module, name;
  NameRole role;
};

constexpr Known kNames[] = {
    {"collections", "OrderedDict", NameRole::kDictionary},
    {"collections", "Counter", NameRole::kDictionary},
    {"collections", "defaultdict", NameRole::kDictionary},
    {"__builtin__", "set", NameRole::kSet},
    {"builtins", "set", NameRole::kSet},
    {"__builtin__", "dict", NameRole::kFactory},
    {"builtins", "dict", NameRole::kFactory},
    {"__builtin__", "list", NameRole::kFactory},
    {"builtins", "list", NameRole::kFactory},
    {"torch._utils", "_rebuild_tensor_v2", NameRole::kTensor},
    {"torch._utils", "_rebuild_tensor_v3", NameRole::kTypedTensor},
    {"torch._utils", "_rebuild_parameter", NameRole::kParameter},
    {"torch._utils", "_rebuild_parameter_with_state", NameRole::kParameter},
    {"torch.storage", "UntypedStorage", NameRole::kUntypedStorage},
    {"torch", "Size", NameRole::kSize},
    {"torch", "device", NameRole::kClass},
    {"_codecs", "encode", NameRole::kEncode},
    {"numpy.core.multiarray", "scalar", NameRole::kScalar},
    {"numpy._core.multiarray", "scalar", NameRole::kScalar},
    {"numpy", "dtype", NameRole::kScalarType},
    {"__builtin__", "getattr", NameRole::kBoundMethod},
    {"builtins", "getattr", NameRole::kBoundMethod},
    {"ultralytics.utils", "IterableSimpleNamespace", NameRole::kClass},
    {"ultralytics.yolo.utils", "IterableSimpleNamespace", NameRole::kClass},
    {"argparse", "Namespace", NameRole::kClass},
    {"pathlib", "PosixPath", NameRole::kClass},
    {"pathlib", "WindowsPath", NameRole::kClass},
    {"pathlib._local", "PosixPath", NameRole::kClass},
    {"pathlib._local", "WindowsPath", NameRole::kClass},
    {"datetime", "datetime", NameRole::kClass},
};

struct Element {
  std::string_view storage;
  std::string_view names[2];  ///< torch float32, torch float
  TensorType type;
};

constexpr Element kElements[] = {
    {"FloatStorage", {"float32", "float"}, TensorType::kF32},
    {"HalfStorage", {"float16", "half"}, TensorType::kF16},
    {"BFloat16Storage", {"bfloat16", ""}, TensorType::kBF16},
    {"DoubleStorage", {"float64", "double"}, TensorType::kF64},
    {"LongStorage", {"int64", "long"}, TensorType::kI64},
    {"IntStorage", {"int32", "int"}, TensorType::kI32},
    {"ShortStorage", {"int16", "short"}, TensorType::kI16},
    {"CharStorage", {"int8", ""}, TensorType::kI8},
    {"ByteStorage", {"uint8", ""}, TensorType::kU8},
    {"BoolStorage", {"bool", ""}, TensorType::kBool},
};

/// Packages whose classes make up pickled models. A class is inert here, so what it is called does not matter;
/// functions of the same packages are refused all the same.
constexpr std::string_view kPackages[] = {"torch.nn.modules", "ultralytics.nn.modules"};
constexpr std::string_view kModules[] = {"ultralytics.nn.modules",        "ultralytics.nn.tasks",
                                         "ultralytics.utils.loss",        "ultralytics.utils.tal",
                                         "ultralytics.models.utils.loss", "ultralytics.models.utils.ops"};

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_decimal(char c) { return c >= '0' && c <= '9'; }

/// "conv" in "torch.nn.modules.conv".
bool is_module_name(std::string_view text) {
  return !text.empty() && is_lower(text.front()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_lower(c) || is_decimal(c) || c == '_'; });
}

/// "Conv2d", "v8DetectionLoss".
bool is_class_name(std::string_view text) {
  if (text.size() > 2 && text.front() == 'v')
    text.remove_prefix(std::min(text.find_first_not_of("0123456789", 1), text.size()));
  return !text.empty() && is_upper(text.front()) && std::all_of(text.begin(), text.end(), [](char c) {
    return is_lower(c) || is_upper(c) || is_decimal(c) || c == '_';
  });
}

bool is_model_class(std::string_view module, std::string_view name) {
  if (!is_class_name(name)) return false;
  if (std::find(std::begin(kModules), std::end(kModules), module) != std::end(kModules)) return true;
  return std::any_of(std::begin(kPackages), std::end(kPackages), [&](std::string_view package) {
    return module.size() > package.size() + 1 && module.starts_with(package) && module[package.size()] == '.' &&
           is_module_name(module.substr(package.size() + 1));
  });
}

}  // namespace

std::optional<PickleName> known_pickle_name(std::string_view module, std::string_view name) {
  const auto found = [&](NameRole role, TensorType type = TensorType::kF32) {
    return PickleName{std::string(module), std::string(name), role, type};
  };
  for (const Known& known : kNames)
    if (known.module == module && known.name == name) return found(known.role);
  if (module == "torch" && !name.empty()) {
    for (const Element& element : kElements) {
      if (name == element.storage) return found(NameRole::kStorage, element.type);
      if (name == element.names[0] || name == element.names[1]) return found(NameRole::kElementType, element.type);
    }
  }
  if (is_model_class(module, name)) return found(NameRole::kClass);
  return std::nullopt;
}

}  // namespace rtdetr
