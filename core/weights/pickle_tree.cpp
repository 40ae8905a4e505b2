#include "core/weights/pickle_tree.h"

namespace rtdetr {

const char* words_for(PickleKind kind) {
  switch (kind) {
    case PickleKind::kNone:
      return "None";
    case PickleKind::kBool:
      return "a truth value";
    case PickleKind::kInteger:
      return "an integer";
    case PickleKind::kLong:
      return "an integer of more than 64 bits";
    case PickleKind::kFloat:
      return "a fraction";
    case PickleKind::kText:
      return "a text";
    case PickleKind::kBytes:
    case PickleKind::kEncoded:
      return "bytes";
    case PickleKind::kTuple:
      return "a tuple";
    case PickleKind::kList:
      return "a list";
    case PickleKind::kSet:
      return "a set";
    case PickleKind::kDictionary:
      return "a dictionary";
    case PickleKind::kName:
      return "the name of a class or function";
    case PickleKind::kObject:
      return "an object";
    case PickleKind::kBoundMethod:
      return "a method";
    case PickleKind::kStorage:
      return "a storage";
    case PickleKind::kTensor:
      return "a tensor";
  }
  return "an unknown value";
}

PickleId PickleTree::find(PickleId dictionary, std::string_view key) const {
  if (dictionary == kNoValue || values[dictionary].kind != PickleKind::kDictionary) return kNoValue;
  const std::span<const PickleId> pairs = items_of(values[dictionary]);
  for (std::size_t i = pairs.size(); i >= 2; i -= 2) {
    const PickleValue& found = values[pairs[i - 2]];
    if (found.kind == PickleKind::kText && text_of(found) == key) return pairs[i - 1];
  }
  return kNoValue;
}

std::vector<std::int64_t> PickleTree::integers_of(PickleId tuple) const {
  std::vector<std::int64_t> numbers;
  for (const PickleId item : items_of(values[tuple])) numbers.push_back(values[item].integer());
  return numbers;
}

}  // namespace rtdetr
