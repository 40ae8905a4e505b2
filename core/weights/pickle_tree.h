#pragma once

#include "core/base/cpp20.h"

#include <bit>
#include <cstdint>
#include <deque>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/io/safetensors.h"
#include "core/weights/pickle_names.h"

/// What a pickle says, as a table of values that name each other by number: a value may be part of many others or of
/// itself, and nothing is copied, followed or freed by recursion. 16 bytes a value; texts stay in the pickle.
namespace rtdetr {

using PickleId = std::uint32_t;
inline constexpr PickleId kNoValue = std::numeric_limits<PickleId>::max();

enum class PickleKind : std::uint8_t {
  kNone,
  kBool,        ///< integer
  kInteger,     ///< integer
  kLong,        ///< text: more than 8 bytes of an integer, lowest first
  kFloat,       ///< real
  kText,        ///< text: UTF-8
  kBytes,       ///< text
  kEncoded,     ///< text: bytes, each written as a character of UTF-8
  kTuple,       ///< items
  kList,        ///< items
  kSet,         ///< items
  kDictionary,  ///< items: key, value, key, value, …
  kName,        ///< index of names
  kObject,      ///< index of names: its class; first: its arguments; second: its state
  kBoundMethod,
  kStorage,  ///< index of storages
  kTensor,   ///< index of tensors
};

/// "a dictionary": for messages.
const char* words_for(PickleKind kind);

struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  std::uint32_t index = 0;  ///< of a table of PickleTree; for items, 0 = there are none
  std::uint64_t bits = 0;   ///< read by the functions below, according to the kind

  std::int64_t integer() const { return static_cast<std::int64_t>(bits); }
  double real() const { return std::bit_cast<double>(bits); }
  /// Offset of a text; an object's arguments.
  std::uint32_t first() const { return static_cast<std::uint32_t>(bits); }
  /// Length of a text; an object's state, or kNoValue.
  std::uint32_t second() const { return static_cast<std::uint32_t>(bits >> 32); }
  static std::uint64_t pair(std::uint32_t first, std::uint32_t second) { return std::uint64_t{second} << 32 | first; }
};

/// Elements that tensors lie in: one entry of the file.
struct TorchStorage {
  std::string key;
  std::string location;
  TensorType type = TensorType::kF32;
  bool untyped = false;  ///< the tensors say of what type it is
  std::uint64_t bytes = 0;
};

/// A view of a storage, which it does not leave.
struct TorchTensor {
  std::uint32_t storage = 0;
  TensorType type = TensorType::kF32;
  PickleId size = kNoValue, stride = kNoValue;  ///< tuples of integers, not negative, equally long
  std::int64_t offset = 0;                      ///< elements
};

struct PickleTree {
  std::string text;
  std::deque<PickleValue> values;
  std::deque<std::vector<PickleId>> items;
  std::vector<PickleName> names;
  std::vector<TorchStorage> storages;
  std::deque<TorchTensor> tensors;

  const PickleValue& operator[](PickleId id) const { return values[id]; }
  /// "" and nothing for values that have no text, no items.
  std::string_view text_of(const PickleValue& value) const {
    const bool has_text = value.kind == PickleKind::kText || value.kind == PickleKind::kLong ||
                          value.kind == PickleKind::kBytes || value.kind == PickleKind::kEncoded;
    return has_text ? std::string_view(text).substr(value.first(), value.second()) : std::string_view();
  }
  std::span<const PickleId> items_of(const PickleValue& value) const {
    const bool has_items = value.kind >= PickleKind::kTuple && value.kind <= PickleKind::kDictionary;
    return has_items && value.index != 0 ? std::span<const PickleId>(items[value.index]) : std::span<const PickleId>();
  }
  /// The last value with this text as its key, as Python has it; kNoValue without one, or if it is no dictionary.
  PickleId find(PickleId dictionary, std::string_view key) const;
  std::vector<std::int64_t> integers_of(PickleId tuple) const;
};

}  // namespace rtdetr
