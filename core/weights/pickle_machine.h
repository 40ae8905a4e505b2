#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/weights/pickle_tree.h"

/// Reads pickles of protocols 2 to 5 into a PickleTree. A pickle is a program for a small stack machine; this one has
/// the instructions with which files of weights are written, and no way to call anything: what Python would call is
/// interpreted here if it is known (pickle_calls.cpp) and refused if it is not. Every refusal says the byte.
///
/// Bounds: a million values, a million memo entries, four million items in containers, whatever the file's size.
namespace rtdetr {

class PickleMachine {
 public:
  /// @param tree  its text is the pickle, or several of them  @param file  what messages call it
  PickleMachine(PickleTree& tree, std::string file);

  /// Reads one pickle.
  /// @param at  where it begins in tree.text; after the call, where it ended
  /// @throws CheckpointError
  PickleId read(std::size_t& at);

 private:
  [[noreturn]] void refuse(const std::string& message) const;

  // the text
  std::string_view take(std::size_t count);
  std::uint64_t take_number(std::size_t bytes) { return read_number(take(bytes)); }
  static std::uint64_t read_number(std::string_view bytes);
  std::string_view take_line();
  void read_protocol();

  // instructions; false: not one of this group
  void step(unsigned char code);
  bool push_number(unsigned char code);
  bool push_text(unsigned char code);
  bool push_container(unsigned char code);
  bool fill_container(unsigned char code);
  bool use_memo(unsigned char code);
  bool call(unsigned char code);
  void push_long(std::size_t bytes);
  void push_text_of(PickleKind kind, std::uint64_t length);
  void memoize(std::uint64_t index);
  void push_named(std::string_view module, std::string_view name);

  // the stack
  PickleId pop();
  std::vector<PickleId> pop_marked();
  PickleId top(PickleKind kind, const char* what);
  void push(PickleId id);
  PickleId make(PickleKind kind, std::uint32_t index, std::uint64_t bits);
  PickleId make_items(PickleKind kind, std::span<const PickleId> items);
  /// Each time that items are put into a container, or gone through.
  void count_items(std::size_t count);
  void add_items(PickleId container, std::span<const PickleId> items);
  void add_pairs(PickleId dictionary, std::span<const PickleId> items);

  // what Python would call (pickle_calls.cpp)
  PickleId interpret(PickleId callee, PickleId arguments);
  PickleId make_object(std::uint32_t name, PickleId arguments);
  PickleId make_dictionary(std::span<const PickleId> arguments);
  PickleId make_set(std::span<const PickleId> arguments);
  PickleId make_encoded(std::span<const PickleId> arguments);
  PickleId make_method(std::span<const PickleId> arguments);
  PickleId make_scalar(std::uint32_t name, PickleId arguments);
  PickleId make_size(std::span<const PickleId> arguments);
  PickleId make_tensor(std::span<const PickleId> arguments, bool typed);
  PickleId take_parameter(std::span<const PickleId> arguments);
  PickleId make_storage(PickleId id);
  void set_state(PickleId target, PickleId state);

  const PickleValue& value(PickleId id) const { return tree_[id]; }
  bool is(PickleId id, PickleKind kind) const { return value(id).kind == kind; }
  std::string called(std::uint32_t name) const;

  PickleTree& tree_;
  const std::string file_;
  std::size_t at_ = 0;
  std::size_t instruction_ = 0;  ///< where the current one begins
  std::uint64_t item_count_ = 0;
  std::size_t memo_count_ = 0;
  std::vector<PickleId> stack_, memo_;
  std::vector<std::size_t> marks_;
  std::map<std::string, PickleId, std::less<>> names_;          ///< by "module name"
  std::map<std::string, std::uint32_t, std::less<>> storages_;  ///< by key
  PickleId none_, true_, false_, empty_tuple_;
};

}  // namespace rtdetr
