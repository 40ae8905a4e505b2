#pragma once

#include "core/base/cpp20.h"

#include <optional>
#include <string>
#include <string_view>

#include "core/io/safetensors.h"

namespace rtdetr {

/// What a name in a pickle stands for here. None is ever looked up or called: a role says how the reader understands
/// what Python would have done with it.
enum class NameRole {
  kDictionary,      ///< OrderedDict, Counter, defaultdict
  kSet,             ///< a list
  kFactory,         ///< what a defaultdict is filled with: of no interest
  kTensor,          ///< torch._utils _rebuild_tensor_v2
  kTypedTensor,     ///< torch._utils _rebuild_tensor_v3: the element type is an argument
  kParameter,       ///< torch._utils _rebuild_parameter: the tensor it gets
  kStorage,         ///< torch FloatStorage, …
  kUntypedStorage,  ///< torch.storage UntypedStorage
  kElementType,     ///< torch float32, …
  kSize,            ///< torch Size: a tuple of integers
  kEncode,          ///< _codecs encode: bytes in protocol 2
  kScalar,          ///< numpy's scalar: a number
  kScalarType,      ///< numpy dtype
  kBoundMethod,     ///< getattr, of which only (module, 'forward' or 'forward_fuse') is known
  kClass,           ///< an inert object: its class's name and its attributes
};

struct PickleName {
  std::string module;
  std::string name;
  NameRole role = NameRole::kClass;
  TensorType type = TensorType::kF32;  ///< of a storage, and of an element type
};

/// The name, if it is among those that files of weights are made of; nothing else is accepted, whatever it is good for.
/// Classes of torch.nn.modules and of Ultralytics' model and loss packages are accepted by their form (Class), all
/// others by a list.
std::optional<PickleName> known_pickle_name(std::string_view module, std::string_view name);

}  // namespace rtdetr
