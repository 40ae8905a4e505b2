#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/text.h"

namespace rtdetr {

/// A word that people write for a value. An enum that can be chosen has one table of them beside it; parsing, help and
/// descriptions read that table, so that a word cannot be offered and not understood.
template <typename Value>
struct Choice {
  const char* word;
  Value value;
};

template <typename Value, std::size_t N>
std::vector<std::string> words_of(const std::array<Choice<Value>, N>& table) {
  std::vector<std::string> words;
  for (const Choice<Value>& choice : table) words.emplace_back(choice.word);
  return words;
}

/// @param key  for the message
/// @throws ConfigError  with the words there are and the nearest one
template <typename Value, std::size_t N>
Value chosen(const std::string& key, const std::string& word, const std::array<Choice<Value>, N>& table) {
  for (const Choice<Value>& choice : table)
    if (word == choice.word) return choice.value;
  const std::vector<std::string> words = words_of(table);
  throw ConfigError(key + ": '" + word + "' is none of " + join(words, ", ") + did_you_mean(word, words));
}

/// @throws InternalError  for a value without a word
template <typename Value, std::size_t N>
std::string word_of(Value value, const std::array<Choice<Value>, N>& table) {
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const auto& choice) { return choice.value == value; });
  if (found == table.end()) throw InternalError("a value that has no word");
  return found->word;
}

}  // namespace rtdetr
