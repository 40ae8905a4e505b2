#pragma once

#include "core/base/cpp20.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

/// Programs call the same tensor by different names. A layout is one program's names beside ours as a list of rules
/// that is read in both directions; names alone, no tensors (key_conversion.h has those).
namespace rtdetr {

/// Part of an attention's input projection, which we keep as one tensor: queries, keys and values one after the other
/// along dimension 0. Others keep three.
enum class Third { kWhole, kQueries, kKeys, kValues };

/// One name on either side, with fields in braces that stand for the same on both:
///
///     {i}        a number; any small letter
///     {i+1}      the number i, counted from 1 on this side
///     {P}        weight or bias
///     {N}        what a batch norm has: weight, bias, running_mean, running_var, num_batches_tracked
///     {conv|bn}  one of these words
///     {*}        anything but nothing
struct KeyRule {
  std::string theirs;  ///< empty: they have no such thing, it is dropped on the way to them
  std::string ours;    ///< empty: we have no such thing, it is dropped on the way to us
  Third third = Third::kWhole;
};

/// Another way to write one of their names, which is read but not written.
struct KeyAlias {
  std::string other, usual;  ///< with KeyRule's fields
};

/// A program's names. The first rule that fits a whole name decides, in either direction.
struct KeyLayout {
  std::string name;                 ///< "Hugging Face RT-DETR", for messages
  std::vector<KeyAlias> aliases{};  ///< applied one after the other, before the rules
  std::vector<KeyRule> rules{};
};

/// The same read the other way round: ours are theirs. Without aliases, and not for thirds.
KeyLayout reversed(const KeyLayout& layout, const std::string& name);

struct RenamedKey {
  std::string key;
  Third third = Third::kWhole;
};

/// What one of their tensors is called here. @return  nullopt: no rule knows it; an empty key: it is dropped
std::optional<RenamedKey> our_key(const KeyLayout& layout, const std::string& theirs);
/// What one of our tensors is called there: one name, or three in the order of Third.
/// @return  nullopt: no rule knows it; empty: it is dropped
std::optional<std::vector<RenamedKey>> their_keys(const KeyLayout& layout, const std::string& ours);

/// Which of a file's tensors make which of ours.
struct KeyPlan {
  /// Of each of ours the sources, called as in the file. Several for one third, or for the whole, are copies of it.
  std::map<std::string, std::vector<RenamedKey>> targets;
  std::vector<std::string> unexpected;  ///< no rule knows them
  std::vector<std::string> dropped;     ///< we have no such thing
};

/// @param origin  what messages call the file
/// @throws CheckpointError  naming what is missing where a tensor of ours has one or two of its three parts
KeyPlan plan_keys(const KeyLayout& layout, const std::vector<std::string>& theirs, const std::string& origin);

}  // namespace rtdetr
