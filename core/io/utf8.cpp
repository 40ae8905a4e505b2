#include "core/io/utf8.h"

namespace rtdetr {
namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

/// Bytes of the character that begins with `c`; 0 if none begins so.
std::size_t length_of(unsigned char c) {
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c < 0xE0) return 2;
  if (c >= 0xE0 && c < 0xF0) return 3;
  return c >= 0xF0 && c < 0xF5 ? 4 : 0;
}

/// Rules that the first two bytes decide: overlong forms, surrogates, beyond the last character.
bool is_allowed(unsigned char first, unsigned char second) {
  if (first == 0xE0) return second >= 0xA0;
  if (first == 0xED) return second < 0xA0;
  if (first == 0xF0) return second >= 0x90;
  return first != 0xF4 || second < 0x90;
}

/// "\x1b"
std::string hex_escape(char c) {
  constexpr const char* kDigits = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  return {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
}

}  // namespace

std::size_t utf8_length(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = length_of(static_cast<unsigned char>(text[at]));
    if (length == 0 || at + length > text.size()) return at;
    for (std::size_t i = 1; i < length; ++i) {
      if (!is_continuation(text[at + i])) return at;
    }
    if (length > 1 && !is_allowed(static_cast<unsigned char>(text[at]), static_cast<unsigned char>(text[at + 1]))) {
      return at;
    }
    at += length;
  }
  return text.size();
}

bool is_utf8(std::string_view text) { return utf8_length(text) == text.size(); }

std::string_view first_characters(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  constexpr std::size_t kMostContinuations = 3;
  std::size_t end = most;
  while (end > 0 && most - end < kMostContinuations && is_continuation(text[end])) --end;
  return text.substr(0, is_continuation(text[end]) ? most : end);
}

std::string excerpt(std::string_view text, std::size_t most) {
  if (text.size() <= most) return std::string(text);
  return std::string(first_characters(text, most)).append("…");
}

std::string printable(std::string_view bytes, std::size_t most) {
  std::string text;
  for (const char c : bytes.substr(0, most)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F)
      text += c;
    else
      text += hex_escape(c);
  }
  return bytes.size() > most ? text + "..." : text;
}

std::string without_controls(std::string_view text) {
  std::string shown;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool second_set = byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0 &&
                            is_continuation(text[i + 1]);
    const bool first_set = (byte < 0x20 && byte != '\t' && byte != '\n') || byte == 0x7F;
    if (first_set || second_set)
      shown += hex_escape(text[i]);
    else
      shown += text[i];
    if (second_set) shown += hex_escape(text[++i]);
  }
  return shown;
}

}  // namespace rtdetr
