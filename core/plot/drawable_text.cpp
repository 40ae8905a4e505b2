#include "core/plot/drawable_text.h"

namespace rtdetr {
namespace {

/// U+00C0 to U+017F, Latin-1's letters and Latin Extended-A; '*': two letters, pair_for.
constexpr std::string_view kLatinBases =
    "AAAAAA*CEEEEIIIIDNOOOOOxOUUUUY**aaaaaa*ceeeeiiiidnooooo/ouuuuy*y"
    "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi**JjKkkLlLlLlL"
    "lLlNnNnNnnNnOoOoOo**RrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs";
constexpr unsigned kFirstLatin = 0xC0;
static_assert(kFirstLatin + kLatinBases.size() == 0x180);

std::string_view pair_for(unsigned letter) {
  switch (letter) {
    case 0xC6:
      return "AE";
    case 0xDE:
      return "Th";
    case 0xDF:
      return "ss";
    case 0xE6:
      return "ae";
    case 0xFE:
      return "th";
    case 0x132:
      return "IJ";
    case 0x133:
      return "ij";
    case 0x152:
      return "OE";
    default:
      return "oe";
  }
}

bool goes_on(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80; }

/// @param character  the bytes of one; a byte that begins none stands alone
/// @param other      for what has no letters here
std::string letters_for(std::string_view character, char other) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (first >= 0x20 && first < 0x7F) return std::string(character);
  if (character.size() != 2 || first >= 0xE0) return {other};
  const unsigned code = (first & 0x1FU) << 6U | (static_cast<unsigned char>(character[1]) & 0x3FU);
  if (code == 0xA0) return " ";                  // one where no line breaks
  if (code >= 0x300 && code < 0x370) return {};  // a mark over the letter before
  if (code < kFirstLatin || code - kFirstLatin >= kLatinBases.size()) return {other};
  const char base = kLatinBases[code - kFirstLatin];
  return base == '*' ? std::string(pair_for(code)) : std::string(1, base);
}

std::string in_ascii(std::string_view text, char other) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at + 1;
    if (static_cast<unsigned char>(text[at]) >= 0xC0)
      while (end < text.size() && goes_on(text[end])) ++end;
    out += letters_for(text.substr(at, end - at), other);
    at = end;
  }
  return out;
}

}  // namespace

std::string drawable_text(std::string_view text) { return in_ascii(text, '?'); }

std::string drawable_name(std::string_view name, std::int64_t index) {
  std::string drawn = in_ascii(name, '\0');
  const std::size_t last = drawn.rfind('\0');
  if (last == std::string::npos) return drawn;
  const std::size_t word_end = drawn.find(' ', last);
  return "class " + std::to_string(index) + (word_end == std::string::npos ? "" : drawn.substr(word_end));
}

std::string shortened(const std::string& ascii, std::size_t most) {
  constexpr std::string_view kDots = "...";
  if (ascii.size() <= most) return ascii;
  if (most <= kDots.size()) return ascii.substr(0, most);
  const std::size_t kept = most - kDots.size(), behind = kept / 2;
  return ascii.substr(0, kept - behind).append(kDots) + ascii.substr(ascii.size() - behind);
}

}  // namespace rtdetr
