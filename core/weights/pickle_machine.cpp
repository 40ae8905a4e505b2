#include "core/weights/pickle_machine.h"

#include <algorithm>
#include <bit>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/little_endian.h"
#include "core/io/utf8.h"
#include "core/weights/pickle_opcodes.h"

namespace rtdetr {
namespace {

constexpr std::size_t kMostValues = 1'000'000, kMostMemo = 1'000'000;
constexpr std::uint64_t kMostItems = 4'000'000;
constexpr std::size_t kLongestPickleName = 256;

}  // namespace

PickleMachine::PickleMachine(PickleTree& tree, std::string file) : tree_(tree), file_(std::move(file)) {
  tree_.items.emplace_back();  // number 0: none
  none_ = make(PickleKind::kNone, 0, 0);
  true_ = make(PickleKind::kBool, 0, 1);
  false_ = make(PickleKind::kBool, 0, 0);
  empty_tuple_ = make(PickleKind::kTuple, 0, 0);
}

void PickleMachine::refuse(const std::string& message) const {
  throw CheckpointError("'" + file_ + "' holds a pickle that is not one of weights: " + message + " (at byte " +
                        std::to_string(instruction_) + " of it); nothing in it was executed");
}

PickleId PickleMachine::read(std::size_t& at) {
  at_ = instruction_ = at;
  stack_.clear(), memo_.clear(), marks_.clear();
  memo_count_ = 0;
  read_protocol();
  for (;;) {
    instruction_ = at_;
    const auto code = static_cast<unsigned char>(take(1).front());
    if (code == opcode::kStop) break;
    step(code);
  }
  const PickleId result = pop();
  if (!stack_.empty() || !marks_.empty()) refuse("it ends with more than one value");
  at = at_;
  return result;
}

std::string_view PickleMachine::take(std::size_t count) {
  if (count > tree_.text.size() - at_)
    refuse(
        "it ends in the middle of " +
        describe_opcode(static_cast<unsigned char>(instruction_ < tree_.text.size() ? tree_.text[instruction_] : '.')) +
        "; the file is cut off or damaged");
  at_ += count;
  return std::string_view(tree_.text).substr(at_ - count, count);
}

std::uint64_t PickleMachine::read_number(std::string_view bytes) { return little_endian(bytes); }

std::string_view PickleMachine::take_line() {
  const std::size_t end = tree_.text.find('\n', at_);
  const std::string_view line = take(end == std::string::npos ? tree_.text.size() - at_ + 1 : end - at_ + 1);
  return line.substr(0, line.size() - 1);
}

void PickleMachine::read_protocol() {
  const std::string_view head = take(2);
  const int protocol = static_cast<unsigned char>(head[1]);
  if (static_cast<unsigned char>(head[0]) != opcode::kProto || protocol < 2 || protocol > 5)
    refuse("it is not of protocol 2 to 5");
}

void PickleMachine::step(unsigned char code) {
  const bool known = push_number(code) || push_text(code) || push_container(code) || fill_container(code) ||
                     use_memo(code) || call(code);
  if (!known) refuse("it has the instruction " + describe_opcode(code) + ", with which no weights are written");
}

bool PickleMachine::push_number(unsigned char code) {
  switch (code) {
    case opcode::kNone:
      return push(none_), true;
    case opcode::kNewTrue:
      return push(true_), true;
    case opcode::kNewFalse:
      return push(false_), true;
    case opcode::kBinInt:
      push(make(PickleKind::kInteger, 0,
                static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(take_number(4))})));
      return true;
    case opcode::kBinInt1:
      return push(make(PickleKind::kInteger, 0, take_number(1))), true;
    case opcode::kBinInt2:
      return push(make(PickleKind::kInteger, 0, take_number(2))), true;
    case opcode::kLong1:
      return push_long(take_number(1)), true;
    case opcode::kBinFloat:
      return push(make(PickleKind::kFloat, 0, __builtin_bswap64(take_number(8)))), true;
    default:
      return false;
  }
}

/// Two's complement, as many bytes as it takes.
void PickleMachine::push_long(std::size_t bytes) {
  if (bytes > 8) return push_text_of(PickleKind::kLong, bytes);
  const std::uint64_t number = take_number(bytes);
  const std::size_t unused = bytes == 0 ? 0 : 64 - 8 * bytes;
  push(
      make(PickleKind::kInteger, 0, static_cast<std::uint64_t>(static_cast<std::int64_t>(number << unused) >> unused)));
}

bool PickleMachine::push_text(unsigned char code) {
  switch (code) {
    case opcode::kBinUnicode:
      return push_text_of(PickleKind::kText, take_number(4)), true;
    case opcode::kShortBinUnicode:
      return push_text_of(PickleKind::kText, take_number(1)), true;
    case opcode::kBinBytes:
      return push_text_of(PickleKind::kBytes, take_number(4)), true;
    case opcode::kShortBinBytes:
      return push_text_of(PickleKind::kBytes, take_number(1)), true;
    default:
      return false;
  }
}

void PickleMachine::push_text_of(PickleKind kind, std::uint64_t length) {
  const auto begin = static_cast<std::uint32_t>(at_);
  const std::string_view text = take(length);
  if (kind == PickleKind::kText && !is_utf8(text)) refuse("it has a text that is not UTF-8");
  push(make(kind, 0, PickleValue::pair(begin, static_cast<std::uint32_t>(length))));
}

bool PickleMachine::push_container(unsigned char code) {
  switch (code) {
    case opcode::kMark:
      if (marks_.size() == kMostValues) refuse("it has more than " + with_thousands(kMostValues) + " open marks");
      return marks_.push_back(stack_.size()), true;
    case opcode::kEmptyTuple:
      return push(empty_tuple_), true;
    case opcode::kEmptyList:
      return push(make(PickleKind::kList, 0, 0)), true;
    case opcode::kEmptyDict:
      return push(make(PickleKind::kDictionary, 0, 0)), true;
    case opcode::kEmptySet:
      return push(make(PickleKind::kSet, 0, 0)), true;
    case opcode::kTuple:
      return push(make_items(PickleKind::kTuple, pop_marked())), true;
    case opcode::kTuple1:
    case opcode::kTuple2:
    case opcode::kTuple3: {
      PickleId items[3];
      const std::size_t count = code - opcode::kTuple1 + 1;
      for (std::size_t i = count; i-- > 0;) items[i] = pop();
      return push(make_items(PickleKind::kTuple, {items, count})), true;
    }
    default:
      return false;
  }
}

bool PickleMachine::fill_container(unsigned char code) {
  switch (code) {
    case opcode::kAppend: {
      const PickleId item = pop();
      return add_items(top(PickleKind::kList, "an item is appended to"), {&item, 1}), true;
    }
    case opcode::kAppends: {
      const std::vector<PickleId> items = pop_marked();
      return add_items(top(PickleKind::kList, "items are appended to"), items), true;
    }
    case opcode::kAddItems: {
      const std::vector<PickleId> items = pop_marked();
      return add_items(top(PickleKind::kSet, "items are added as to a set to"), items), true;
    }
    case opcode::kSetItem: {
      PickleId pair[2];
      pair[1] = pop();
      pair[0] = pop();
      return add_pairs(top(PickleKind::kDictionary, "an entry is put into"), pair), true;
    }
    case opcode::kSetItems: {
      const std::vector<PickleId> pairs = pop_marked();
      return add_pairs(top(PickleKind::kDictionary, "entries are put into"), pairs), true;
    }
    default:
      return false;
  }
}

bool PickleMachine::use_memo(unsigned char code) {
  switch (code) {
    case opcode::kBinPut:
      return memoize(take_number(1)), true;
    case opcode::kLongBinPut:
      return memoize(take_number(4)), true;
    case opcode::kMemoize:
      return memoize(memo_count_), true;
    case opcode::kBinGet:
    case opcode::kLongBinGet: {
      const std::uint64_t index = take_number(code == opcode::kBinGet ? 1 : 4);
      if (index >= memo_.size() || memo_[index] == kNoValue)
        refuse("it fetches memo entry " + std::to_string(index) + ", which was never put there");
      return push(memo_[index]), true;
    }
    case opcode::kFrame:
      if (take_number(8) > tree_.text.size() - at_) refuse("it has a frame that is longer than the pickle");
      return true;
    default:
      return false;
  }
}

void PickleMachine::memoize(std::uint64_t index) {
  if (index >= kMostMemo) refuse("it puts a value into memo entry " + with_thousands(static_cast<long long>(index)));
  const PickleId id = pop();
  if (memo_.size() <= index) memo_.resize(index + 1, kNoValue);
  if (memo_[index] == kNoValue) ++memo_count_;
  memo_[index] = id;
  push(id);
}

bool PickleMachine::call(unsigned char code) {
  switch (code) {
    case opcode::kGlobal: {
      const std::string_view module = take_line();
      return push_named(module, take_line()), true;
    }
    case opcode::kStackGlobal: {
      const PickleId name = pop(), module = pop();
      if (!is(module, PickleKind::kText) || !is(name, PickleKind::kText))
        refuse("it names a class by something else than texts");
      return push_named(tree_.text_of(value(module)), tree_.text_of(value(name))), true;
    }
    case opcode::kReduce: {
      const PickleId arguments = pop(), callee = pop();
      return push(interpret(callee, arguments)), true;
    }
    case opcode::kNewObj: {
      const PickleId arguments = pop(), made = pop();
      if (!is(made, PickleKind::kName) || tree_.names[value(made).index].role != NameRole::kClass)
        refuse("it makes an object of " + std::string(words_for(value(made).kind)) + " that is no class");
      if (!is(arguments, PickleKind::kTuple)) refuse("it makes an object with arguments that are no tuple");
      return push(make_object(value(made).index, arguments)), true;
    }
    case opcode::kBuild: {
      const PickleId state = pop(), target = pop();
      set_state(target, state);
      return push(target), true;
    }
    case opcode::kBinPersId:
      return push(make_storage(pop())), true;
    default:
      return false;
  }
}

/// A name is refused when it is read, so that it cannot hide in a value that is thrown away.
void PickleMachine::push_named(std::string_view module, std::string_view name) {
  if (std::max(module.size(), name.size()) > kLongestPickleName)
    refuse("it names '" + printable(module.substr(0, kLongestPickleName)) +
           "…', which is longer than any name of weights");
  const std::string key = std::string(module) + " " + std::string(name);
  if (const auto known = names_.find(key); known != names_.end()) return push(known->second);
  std::optional<PickleName> found = known_pickle_name(module, name);
  if (!found) refuse("it names '" + printable(key) + "', which is not among the names that weights are made of");
  tree_.names.push_back(std::move(*found));
  const PickleId id = make(PickleKind::kName, static_cast<std::uint32_t>(tree_.names.size() - 1), 0);
  names_.emplace(key, id);
  push(id);
}

PickleId PickleMachine::pop() {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) refuse("it takes a value where there is none");
  const PickleId id = stack_.back();
  stack_.pop_back();
  return id;
}

std::vector<PickleId> PickleMachine::pop_marked() {
  if (marks_.empty()) refuse("it ends a list of values that was not begun");
  std::vector<PickleId> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
  stack_.resize(marks_.back());
  marks_.pop_back();
  return items;
}

PickleId PickleMachine::top(PickleKind kind, const char* what) {
  const PickleId id = pop();
  if (!is(id, kind)) refuse(std::string(what) + " " + words_for(value(id).kind));
  push(id);
  return id;
}

void PickleMachine::push(PickleId id) {
  if (stack_.size() == kMostItems) refuse("it keeps more than " + with_thousands(kMostItems) + " values waiting");
  stack_.push_back(id);
}

PickleId PickleMachine::make(PickleKind kind, std::uint32_t index, std::uint64_t bits) {
  if (tree_.values.size() == kMostValues) refuse("it has more than " + with_thousands(kMostValues) + " values");
  tree_.values.push_back({kind, index, bits});
  return static_cast<PickleId>(tree_.values.size() - 1);
}

PickleId PickleMachine::make_items(PickleKind kind, std::span<const PickleId> items) {
  if (kind == PickleKind::kTuple && items.empty()) return empty_tuple_;
  const PickleId id = make(kind, 0, 0);
  add_items(id, items);
  return id;
}

void PickleMachine::count_items(std::size_t count) {
  item_count_ += count;
  if (item_count_ > kMostItems) refuse("its containers hold more than " + with_thousands(kMostItems) + " items");
}

void PickleMachine::add_items(PickleId container, std::span<const PickleId> items) {
  if (items.empty()) return;
  count_items(items.size());
  std::uint32_t& index = tree_.values[container].index;
  if (index == 0) {
    index = static_cast<std::uint32_t>(tree_.items.size());
    tree_.items.emplace_back(items.begin(), items.end());
  } else {
    tree_.items[index].insert(tree_.items[index].end(), items.begin(), items.end());
  }
}

void PickleMachine::add_pairs(PickleId dictionary, std::span<const PickleId> items) {
  if (items.size() % 2 != 0) refuse("a dictionary has a key without a value");
  for (std::size_t i = 0; i < items.size(); i += 2) {
    const PickleKind key = value(items[i]).kind;
    if (key > PickleKind::kEncoded || key == PickleKind::kLong)
      refuse("a dictionary has " + std::string(words_for(key)) + " as a key");
  }
  add_items(dictionary, items);
}

}  // namespace rtdetr
