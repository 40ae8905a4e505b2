#include "models/weights/key_rules.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "core/base/check.h"
#include "core/base/error.h"
#include "core/base/text.h"

namespace rtdetr {
namespace {

constexpr std::string_view kParameters = "weight|bias";
constexpr std::string_view kNormEntries = "weight|bias|running_mean|running_var|num_batches_tracked";
constexpr std::size_t kMostDigits = 6;
constexpr std::size_t kLongestKey = 1000;  // no program has longer names
constexpr std::array kThirds = {Third::kQueries, Third::kKeys, Third::kValues};

/// What a name has in the place of a rule's field: a number, or a part of the name.
struct FieldValue {
  std::string_view field, text;
  long long number = 0;
};
using FieldValues = std::vector<FieldValue>;

/// "{i+1}.weight" → field "i", counted from 1, rest ".weight".
struct FirstField {
  std::string_view field, rest;
  long long offset = 0;
  bool is_number = false;
};

FirstField first_field(std::string_view pattern) {
  const std::size_t close = pattern.find('}');
  RTDETR_CHECK(close != std::string_view::npos, "a rule's field has no end: " + std::string(pattern));
  FirstField first;
  first.field = pattern.substr(1, close - 1);
  first.rest = pattern.substr(close + 1);
  if (first.field.ends_with("+1")) {
    first.offset = 1;
    first.field.remove_suffix(2);
  }
  first.is_number = first.field.size() == 1 && first.field[0] >= 'a' && first.field[0] <= 'z';
  return first;
}

bool match_key(std::string_view pattern, std::string_view key, FieldValues& values);

/// The field is found; `rest`, which follows it, has to fit too.
bool match_after(const FirstField& first, const FieldValue& value, std::string_view rest, FieldValues& values) {
  values.push_back(value);
  if (match_key(first.rest, rest, values)) return true;
  values.pop_back();
  return false;
}

bool match_number(const FirstField& first, std::string_view key, FieldValues& values) {
  std::size_t length = 0;
  while (length < key.size() && is_digit(key[length])) ++length;
  if (length == 0 || length > kMostDigits || (key[0] == '0' && length > 1)) return false;
  const long long number = *parse_integer(key.substr(0, length)) - first.offset;
  return number >= 0 && match_after(first, {first.field, "", number}, key.substr(length), values);
}

bool match_anything(const FirstField& first, std::string_view key, FieldValues& values) {
  if (first.rest.empty()) return !key.empty() && match_after(first, {first.field, key}, "", values);
  for (std::size_t length = 1; length <= key.size(); ++length)
    if (match_after(first, {first.field, key.substr(0, length)}, key.substr(length), values)) return true;
  return false;
}

bool match_word(const FirstField& first, std::string_view key, FieldValues& values) {
  const std::string_view words = first.field == "P" ? kParameters : first.field == "N" ? kNormEntries : first.field;
  for (const std::string& word : split(words, '|'))
    if (key.starts_with(word) &&
        match_after(first, {first.field, key.substr(0, word.size())}, key.substr(word.size()), values))
      return true;
  return false;
}

bool match_key(std::string_view pattern, std::string_view key, FieldValues& values) {
  while (!pattern.empty() && pattern[0] != '{') {
    if (key.empty() || key[0] != pattern[0]) return false;
    pattern.remove_prefix(1);
    key.remove_prefix(1);
  }
  if (pattern.empty()) return key.empty();
  const FirstField first = first_field(pattern);
  if (first.is_number) return match_number(first, key, values);
  return first.field == "*" ? match_anything(first, key, values) : match_word(first, key, values);
}

std::string fill_in(std::string_view pattern, const FieldValues& values) {
  std::string key;
  while (!pattern.empty()) {
    if (pattern[0] != '{') {
      key += pattern[0];
      pattern.remove_prefix(1);
      continue;
    }
    const FirstField first = first_field(pattern);
    const auto found =
        std::find_if(values.begin(), values.end(), [&](const auto& item) { return item.field == first.field; });
    RTDETR_CHECK(found != values.end(), "a rule has a field on one side only: " + std::string(pattern));
    key += first.is_number ? std::to_string(found->number + first.offset) : std::string(found->text);
    pattern = first.rest;
  }
  return key;
}

/// `key` with what `from` and `to` have in common kept; nullopt if it is not of the form `from`.
std::optional<std::string> rewritten(const std::string& from, const std::string& to, const std::string& key) {
  FieldValues values;
  if (from.empty() || key.size() > kLongestKey || !match_key(from, key, values)) return std::nullopt;
  return fill_in(to, values);
}

bool has_third(const std::vector<RenamedKey>& sources, Third third) {
  return std::any_of(sources.begin(), sources.end(), [&](const RenamedKey& source) { return source.third == third; });
}

/// A whole, or three thirds.
void check_complete(const KeyLayout& layout, const std::string& target, const std::vector<RenamedKey>& sources,
                    const std::string& origin) {
  if (has_third(sources, Third::kWhole)) return;
  const auto names = their_keys(layout, target);
  for (std::size_t i = 0; i < kThirds.size(); ++i) {
    if (has_third(sources, kThirds[i])) continue;
    const std::string missing = names && names->size() == kThirds.size() ? (*names)[i].key : "a third of " + target;
    throw CheckpointError(origin + ": is incomplete: it has '" + sources.front().key + "', but not '" + missing +
                          "', and our '" + target + "' is made of both; nothing was taken. Load the file anew");
  }
}

}  // namespace

KeyLayout reversed(const KeyLayout& layout, const std::string& name) {
  KeyLayout other{name, {}, layout.rules};
  for (KeyRule& rule : other.rules) {
    RTDETR_CHECK(rule.third == Third::kWhole, "a layout with thirds has one direction");
    std::swap(rule.theirs, rule.ours);
  }
  return other;
}

std::optional<RenamedKey> our_key(const KeyLayout& layout, const std::string& theirs) {
  std::string key = theirs;
  for (const KeyAlias& alias : layout.aliases)
    if (const auto usual = rewritten(alias.other, alias.usual, key)) key = *usual;
  for (const KeyRule& rule : layout.rules)
    if (auto ours = rewritten(rule.theirs, rule.ours, key)) return RenamedKey{std::move(*ours), rule.third};
  return std::nullopt;
}

std::optional<std::vector<RenamedKey>> their_keys(const KeyLayout& layout, const std::string& ours) {
  std::vector<RenamedKey> keys;
  for (const KeyRule& rule : layout.rules) {
    auto theirs = rewritten(rule.ours, rule.theirs, ours);
    if (!theirs || (rule.third == Third::kWhole && !keys.empty())) continue;
    if (theirs->empty()) return keys;
    if (rule.third == Third::kWhole) return std::vector<RenamedKey>{{std::move(*theirs), rule.third}};
    if (!has_third(keys, rule.third)) keys.push_back({std::move(*theirs), rule.third});
  }
  if (keys.empty()) return std::nullopt;
  return keys;
}

KeyPlan plan_keys(const KeyLayout& layout, const std::vector<std::string>& theirs, const std::string& origin) {
  KeyPlan plan;
  for (const std::string& key : theirs) {
    const std::optional<RenamedKey> ours = our_key(layout, key);
    if (!ours)
      plan.unexpected.push_back(key);
    else if (ours->key.empty())
      plan.dropped.push_back(key);
    else
      plan.targets[ours->key].push_back({key, ours->third});
  }
  for (const auto& [target, sources] : plan.targets) check_complete(layout, target, sources, origin);
  return plan;
}

}  // namespace rtdetr
