#include <bit>
#include <cstring>

#include "core/io/little_endian.h"
#include "core/io/utf8.h"
#include "core/weights/pickle_machine.h"
#include "core/weights/torch_tensor.h"

// What Python would call while it reads a file of weights, understood without calling it.

namespace rtdetr {
namespace {

constexpr std::size_t kLongestKey = 20;  ///< digits of a 64-bit number
constexpr std::size_t kMostTensorDimensions = 64;

bool is_storage_key(std::string_view text) {
  return !text.empty() && text.size() <= kLongestKey && text.find_first_not_of("0123456789") == text.npos;
}

/// The bytes of a text whose characters are bytes (Latin-1), if there are exactly `wanted`.
std::string decode_latin1(std::string_view text, std::size_t wanted) {
  std::string bytes;
  for (std::size_t at = 0; at < text.size() && bytes.size() <= wanted; ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80)
      bytes += text[at];
    else if ((byte == 0xC2 || byte == 0xC3) && at + 1 < text.size())
      bytes += static_cast<char>((byte & 3) << 6 | (static_cast<unsigned char>(text[++at]) & 0x3F));
    else
      return "";
  }
  return bytes.size() == wanted ? bytes : "";
}

template <typename T>
T as(const std::string& bytes) {
  T number;
  std::memcpy(&number, bytes.data(), sizeof(T));
  return number;
}

/// A NumPy number as one of the pickle's own; kNone if it is of no plain type.
PickleValue plain_number(std::string_view type, const std::string& bytes) {
  const auto integer = [](auto number) {
    return PickleValue{PickleKind::kInteger, 0, static_cast<std::uint64_t>(static_cast<std::int64_t>(number))};
  };
  const auto real = [](double number) {
    return PickleValue{PickleKind::kFloat, 0, std::bit_cast<std::uint64_t>(number)};
  };
  if (type == "f8") return real(as<double>(bytes));
  if (type == "f4") return real(as<float>(bytes));
  if (type == "i8") return integer(as<std::int64_t>(bytes));
  if (type == "i4") return integer(as<std::int32_t>(bytes));
  if (type == "i2") return integer(as<std::int16_t>(bytes));
  if (type == "i1") return integer(as<std::int8_t>(bytes));
  if (type == "u4") return integer(as<std::uint32_t>(bytes));
  if (type == "u2") return integer(as<std::uint16_t>(bytes));
  if (type == "u1") return integer(as<std::uint8_t>(bytes));
  if (type == "b1") return {PickleKind::kBool, 0, bytes[0] != 0};
  return {};
}

}  // namespace

std::string PickleMachine::called(std::uint32_t name) const {
  return tree_.names[name].module + " " + tree_.names[name].name;
}

PickleId PickleMachine::interpret(PickleId callee, PickleId arguments) {
  if (!is(callee, PickleKind::kName)) refuse("it calls " + std::string(words_for(value(callee).kind)));
  if (!is(arguments, PickleKind::kTuple)) refuse("it calls something with arguments that are no tuple");
  const std::uint32_t name = value(callee).index;
  const std::span<const PickleId> items = tree_.items_of(value(arguments));
  switch (tree_.names[name].role) {
    case NameRole::kDictionary:
      return make_dictionary(items);
    case NameRole::kSet:
      return make_set(items);
    case NameRole::kTensor:
      return make_tensor(items, false);
    case NameRole::kTypedTensor:
      return make_tensor(items, true);
    case NameRole::kParameter:
      return take_parameter(items);
    case NameRole::kSize:
      return make_size(items);
    case NameRole::kEncode:
      return make_encoded(items);
    case NameRole::kScalar:
      return make_scalar(name, arguments);
    case NameRole::kBoundMethod:
      return make_method(items);
    case NameRole::kScalarType:
    case NameRole::kClass:
      return make_object(name, arguments);
    case NameRole::kFactory:
    case NameRole::kStorage:
    case NameRole::kUntypedStorage:
    case NameRole::kElementType:
      break;
  }
  refuse("it calls '" + called(name) + "', which weights only name");
}

PickleId PickleMachine::make_object(std::uint32_t name, PickleId arguments) {
  return make(PickleKind::kObject, name, PickleValue::pair(arguments, kNoValue));
}

/// OrderedDict() or OrderedDict([[key, value], …]), Counter({…}), defaultdict(factory).
PickleId PickleMachine::make_dictionary(std::span<const PickleId> arguments) {
  const PickleId dictionary = make(PickleKind::kDictionary, 0, 0);
  if (arguments.empty()) return dictionary;
  const PickleValue& first = value(arguments[0]);
  if (arguments.size() > 1) refuse("it makes a dictionary of more than one argument");
  if (first.kind == PickleKind::kName && tree_.names[first.index].role == NameRole::kFactory) return dictionary;
  if (first.kind == PickleKind::kDictionary) {
    const std::span<const PickleId> pairs = tree_.items_of(first);
    add_pairs(dictionary, std::vector<PickleId>(pairs.begin(), pairs.end()));
    return dictionary;
  }
  if (first.kind != PickleKind::kList) refuse("it makes a dictionary of " + std::string(words_for(first.kind)));
  for (const PickleId item : tree_.items_of(first)) {
    const std::span<const PickleId> pair = tree_.items_of(value(item));
    if ((!is(item, PickleKind::kList) && !is(item, PickleKind::kTuple)) || pair.size() != 2)
      refuse("it makes a dictionary of a list that holds other things than pairs");
    const PickleId copy[] = {pair[0], pair[1]};
    add_pairs(dictionary, copy);
  }
  return dictionary;
}

PickleId PickleMachine::make_set(std::span<const PickleId> arguments) {
  if (arguments.empty()) return make(PickleKind::kSet, 0, 0);
  if (arguments.size() != 1 || !is(arguments[0], PickleKind::kList))
    refuse("it makes a set of something else than a list");
  const std::span<const PickleId> items = tree_.items_of(value(arguments[0]));
  return make_items(PickleKind::kSet, std::vector<PickleId>(items.begin(), items.end()));
}

PickleId PickleMachine::make_encoded(std::span<const PickleId> arguments) {
  if (arguments.size() != 2 || !is(arguments[0], PickleKind::kText) || !is(arguments[1], PickleKind::kText) ||
      tree_.text_of(value(arguments[1])) != "latin1") {
    refuse("it encodes something else than a text as latin1");
  }
  return make(PickleKind::kEncoded, 0, value(arguments[0]).bits);
}

/// A module's own method, as fused models of Ultralytics hold it.
PickleId PickleMachine::make_method(std::span<const PickleId> arguments) {
  const bool known = arguments.size() == 2 && is(arguments[0], PickleKind::kObject) &&
                     tree_.names[value(arguments[0]).index].role == NameRole::kClass &&
                     is(arguments[1], PickleKind::kText);
  const std::string_view method = known ? tree_.text_of(value(arguments[1])) : std::string_view();
  if (method != "forward" && method != "forward_fuse")
    refuse("it asks with getattr for something else than a module's forward");
  return make(PickleKind::kBoundMethod, 0, 0);
}

PickleId PickleMachine::make_scalar(std::uint32_t name, PickleId arguments) {
  const std::span<const PickleId> items = tree_.items_of(value(arguments));
  if (items.size() != 2 || !is(items[0], PickleKind::kObject) ||
      tree_.names[value(items[0]).index].role != NameRole::kScalarType) {
    refuse("it makes a NumPy number without its type");
  }
  const PickleValue& type = value(items[0]);
  const auto item_of = [&](PickleId tuple, std::size_t i, PickleKind kind) {
    const auto parts = tuple == kNoValue ? std::span<const PickleId>() : tree_.items_of(value(tuple));
    return parts.size() > i && is(parts[i], kind) ? tree_.text_of(value(parts[i])) : std::string_view();
  };
  const std::string_view code = item_of(type.first(), 0, PickleKind::kText);
  const std::string_view order = item_of(type.second(), 1, PickleKind::kText);
  const PickleValue& data = value(items[1]);
  const bool plain = code.size() == 2 && code[1] >= '1' && code[1] <= '8' && (order == "<" || order == "|") &&
                     (data.kind == PickleKind::kBytes || data.kind == PickleKind::kEncoded);
  if (plain) {
    const std::size_t size = static_cast<std::size_t>(code[1] - '0');
    const std::string_view text = tree_.text_of(data);
    const std::string bytes =
        data.kind == PickleKind::kEncoded ? decode_latin1(text, size) : std::string(text.size() == size ? text : "");
    const PickleValue number = bytes.size() == size ? plain_number(code, bytes) : PickleValue{};
    if (number.kind != PickleKind::kNone) return make(number.kind, 0, number.bits);
  }
  return make_object(name, arguments);
}

PickleId PickleMachine::make_size(std::span<const PickleId> arguments) {
  if (arguments.size() != 1 || !is(arguments[0], PickleKind::kTuple)) refuse("it makes a torch.Size of no tuple");
  return arguments[0];
}

/// (storage, offset, size, stride, requires_grad, hooks[, type][, metadata])
PickleId PickleMachine::make_tensor(std::span<const PickleId> arguments, bool typed) {
  const std::size_t least = typed ? 7 : 6;
  if (arguments.size() < least || arguments.size() > least + 1)
    refuse("it makes a tensor of " + std::to_string(arguments.size()) + " arguments");
  const PickleId storage_id = arguments[0];
  if (!is(storage_id, PickleKind::kStorage))
    refuse("a tensor lies in " + std::string(words_for(value(storage_id).kind)));
  if (!is(arguments[1], PickleKind::kInteger)) refuse("a tensor's offset is no integer");
  for (const PickleId id : {arguments[2], arguments[3]}) {
    if (!is(id, PickleKind::kTuple)) refuse("a tensor's size or stride is no tuple");
    if (tree_.items_of(value(id)).size() > kMostTensorDimensions) refuse("a tensor has more than 64 dimensions");
    for (const PickleId item : tree_.items_of(value(id)))
      if (!is(item, PickleKind::kInteger))
        refuse("a tensor's size or stride holds " + std::string(words_for(value(item).kind)));
  }
  if (!is(arguments[4], PickleKind::kBool)) refuse("a tensor's requires_grad is no truth value");
  if ((!is(arguments[5], PickleKind::kDictionary) && !is(arguments[5], PickleKind::kNone)) ||
      !tree_.items_of(value(arguments[5])).empty()) {
    refuse("a tensor has hooks");
  }
  if (arguments.size() > least && !is(arguments[least], PickleKind::kNone) &&
      (!is(arguments[least], PickleKind::kDictionary) || !tree_.items_of(value(arguments[least])).empty())) {
    refuse(
        "a tensor's elements are to be negated or conjugated when they are read (its 'neg' or 'conj'); save a copy of "
        "it");
  }
  const TorchStorage& storage = tree_.storages[value(storage_id).index];
  TorchTensor tensor{value(storage_id).index, storage.type, arguments[2], arguments[3], value(arguments[1]).integer()};
  if (typed) {
    const PickleValue& type = value(arguments[6]);
    if (type.kind != PickleKind::kName || tree_.names[type.index].role != NameRole::kElementType)
      refuse("a tensor's type is no type");
    tensor.type = tree_.names[type.index].type;
  } else if (storage.untyped) {
    refuse("a tensor does not say of what type it is");
  }
  const std::string fault = tensor_fault(
      {tree_.integers_of(tensor.size), tree_.integers_of(tensor.stride), tensor.offset, tensor.type}, storage.bytes);
  if (!fault.empty()) refuse("a tensor " + fault);
  tree_.tensors.push_back(tensor);
  return make(PickleKind::kTensor, static_cast<std::uint32_t>(tree_.tensors.size() - 1), 0);
}

/// (tensor, requires_grad, hooks[, state]): the tensor.
PickleId PickleMachine::take_parameter(std::span<const PickleId> arguments) {
  const bool fits = (arguments.size() == 3 || arguments.size() == 4) && is(arguments[0], PickleKind::kTensor) &&
                    is(arguments[1], PickleKind::kBool) && is(arguments[2], PickleKind::kDictionary) &&
                    tree_.items_of(value(arguments[2])).empty();
  if (!fits) refuse("it makes a parameter of something else than a tensor without hooks");
  return arguments[0];
}

/// ('storage', type, key, location, count[, None])
PickleId PickleMachine::make_storage(PickleId id) {
  const std::span<const PickleId> items = tree_.items_of(value(id));
  const bool fits = is(id, PickleKind::kTuple) && (items.size() == 5 || items.size() == 6) &&
                    is(items[0], PickleKind::kText) && tree_.text_of(value(items[0])) == "storage" &&
                    is(items[1], PickleKind::kName) && is(items[2], PickleKind::kText) &&
                    is(items[3], PickleKind::kText) && is(items[4], PickleKind::kInteger);
  if (!fits) refuse("it refers to something outside that is no storage of torch's");
  if (items.size() == 6 && is(items[5], PickleKind::kTuple))
    refuse("it has a storage that is a view of another, as torch before 1.0 wrote it");
  if (items.size() == 6 && !is(items[5], PickleKind::kNone)) refuse("a storage's view is no view");
  const PickleName& name = tree_.names[value(items[1]).index];
  if (name.role != NameRole::kStorage && name.role != NameRole::kUntypedStorage)
    refuse("a storage is of the type '" + called(value(items[1]).index) + "'");
  TorchStorage storage{std::string(tree_.text_of(value(items[2])).substr(0, kLongestKey + 1)),
                       std::string(tree_.text_of(value(items[3])).substr(0, 32)), name.type,
                       name.role == NameRole::kUntypedStorage, 0};
  const std::int64_t count = value(items[4]).integer();
  if (!is_storage_key(storage.key)) refuse("a storage's key '" + printable(storage.key) + "' is no number");
  const std::uint64_t element = storage.untyped ? 1 : element_size(storage.type);
  if (count < 0 || __builtin_mul_overflow(static_cast<std::uint64_t>(count), element, &storage.bytes))
    refuse("storage " + storage.key + " has an impossible length of " + std::to_string(count));
  const auto [known, is_new] = storages_.emplace(storage.key, static_cast<std::uint32_t>(tree_.storages.size()));
  if (is_new) {
    tree_.storages.push_back(std::move(storage));
  } else {
    const TorchStorage& first = tree_.storages[known->second];
    if (first.type != storage.type || first.untyped != storage.untyped || first.bytes != storage.bytes ||
        first.location != storage.location) {
      refuse("storage " + storage.key + " is named with two types, lengths or places");
    }
  }
  return make(PickleKind::kStorage, known->second, 0);
}

/// What BUILD does: attributes of an object, or the `_metadata` that torch hangs on its dictionaries.
void PickleMachine::set_state(PickleId target, PickleId state) {
  const PickleValue& of = value(target);
  const std::span<const PickleId> pairs = tree_.items_of(value(state));
  if (of.kind == PickleKind::kDictionary) {
    if (!is(state, PickleKind::kDictionary) || pairs.size() != 2 || tree_.find(state, "_metadata") == kNoValue)
      refuse("it gives a dictionary other attributes than '_metadata'");
    return;
  }
  if (of.kind != PickleKind::kObject) refuse("it gives attributes to " + std::string(words_for(of.kind)));
  if (of.second() != kNoValue) refuse("it gives attributes to one object twice");
  const bool is_type = tree_.names[of.index].role == NameRole::kScalarType;
  if (!is(state, is_type ? PickleKind::kTuple : PickleKind::kDictionary))
    refuse("the attributes of a '" + called(of.index) + "' are " + words_for(value(state).kind));
  count_items(pairs.size());
  for (std::size_t i = 0; !is_type && i < pairs.size(); i += 2) {
    const std::string_view key = is(pairs[i], PickleKind::kText) ? tree_.text_of(value(pairs[i])) : std::string_view();
    if (key.empty() || key.starts_with("__"))
      refuse("a '" + called(of.index) + "' has an attribute '" + printable(key) + "'");
  }
  tree_.values[target].bits = PickleValue::pair(of.first(), state);
}

}  // namespace rtdetr
