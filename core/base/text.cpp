#include "core/base/text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

namespace rtdetr {
namespace {

constexpr std::size_t kLongestWord = 64;  // longer ones are nobody's misspelling, and the table below stays small

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// Edits that turn `a` into `b`: insert, delete, replace, or swap two neighbours; case does not count.
int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before.swap(last);
    last.swap(row);
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

bool only_number_characters(std::string_view text) {
  return text.find_first_not_of("0123456789+-.eE") == std::string_view::npos;
}

/// from_chars knows no leading plus; ours may have one, but not "+-1".
std::string_view without_plus(std::string_view text) {
  const bool plus = text.size() > 1 && text[0] == '+' && text[1] != '-' && text[1] != '+';
  return plus ? text.substr(1) : text;
}

/// Whether the bytes at even places, or those at odd ones, are all NUL and the others are not, as far as one looks.
bool is_every_other_byte_nul(std::string_view text, std::size_t first_nul) {
  constexpr std::size_t kLooked = 64;
  const std::size_t end = std::min(text.size(), kLooked) / 2 * 2;
  for (std::size_t i = 0; i < end; ++i) {
    if ((text[i] == '\0') != (i % 2 == first_nul)) return false;
  }
  return end >= 4;
}

}  // namespace

std::optional<std::string> nearest_word(std::string_view word, std::span<const std::string> candidates) {
  if (word.empty() || word.size() > kLongestWord) return std::nullopt;
  const std::string lower_word = lower_case(word);
  const std::string* nearest = nullptr;
  int nearest_distance = std::numeric_limits<int>::max();
  for (const std::string& candidate : candidates) {
    if (candidate.empty() || candidate.size() > kLongestWord) continue;
    const int longer = static_cast<int>(std::max(word.size(), candidate.size()));
    const int allowed = longer <= 2 ? longer - 1 : (longer + 1) / 3;
    const int distance = edit_distance(lower_word, lower_case(candidate));
    if (distance <= allowed && distance < nearest_distance) {
      nearest = &candidate;
      nearest_distance = distance;
    }
  }
  return nearest ? std::optional<std::string>(*nearest) : std::nullopt;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates) {
  const auto nearest = nearest_word(word, candidates);
  return nearest ? "; did you mean '" + *nearest + "'?" : "";
}

std::string format_double(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const double size = std::fabs(value);
  const bool plain = size == 0 || (size >= 1e-5 && size < 1e16);
  char text[64];
  const auto end =
      std::to_chars(text, text + sizeof text, value, plain ? std::chars_format::fixed : std::chars_format::scientific);
  return std::string(text, end.ptr);
}

std::optional<double> parse_double(std::string_view text) {
  text = without_plus(text);
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  if (text.empty() || !only_number_characters(text)) return std::nullopt;
  double value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<long long> parse_integer(std::string_view text) {
  text = without_plus(text);
  long long value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view without_byte_order_mark(std::string_view text) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  return text.starts_with(kMark) ? text.substr(kMark.size()) : text;
}

std::string_view wide_encoding(std::string_view text) {
  using namespace std::string_view_literals;
  if (text.starts_with("\xFF\xFE\0\0"sv) || text.starts_with("\0\0\xFE\xFF"sv)) return "UTF-32";
  if (text.starts_with("\xFF\xFE"sv) || text.starts_with("\xFE\xFF"sv)) return "UTF-16";
  return is_every_other_byte_nul(text, 0) || is_every_other_byte_nul(text, 1) ? "UTF-16" : "";
}

std::string wide_encoding_hint(std::string_view encoding) {
  const std::string name(encoding);
  return "the text is " + name + "; save it as UTF-8, e.g. with iconv -f " + name + " -t UTF-8";
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t at = text.find(separator); at != std::string_view::npos; at = text.find(separator, begin)) {
    parts.emplace_back(text.substr(begin, at - begin));
    begin = at + 1;
  }
  parts.emplace_back(text.substr(begin));
  return parts;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += separator;
    text += parts[i];
  }
  return text;
}

std::string with_thousands(long long value) {
  std::string text = std::to_string(value);
  const std::size_t first_digit = value < 0 ? 1 : 0;
  for (std::size_t at = text.size(); at > first_digit + 3;) {
    at -= 3;
    text.insert(at, 1, ',');
  }
  return text;
}

std::string counted(long long count, std::string_view noun) {
  return with_thousands(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

std::string format_duration(double seconds) {
  constexpr double kTooLong = 1e12;
  if (!(seconds < kTooLong)) return "--:--";
  const long long all = std::llround(std::max(seconds, 0.0));
  char text[48];
  if (all >= 3600) {
    std::snprintf(text, sizeof text, "%lld:%02d:%02d", all / 3600, static_cast<int>(all / 60 % 60),
                  static_cast<int>(all % 60));
  } else {
    std::snprintf(text, sizeof text, "%d:%02d", static_cast<int>(all / 60), static_cast<int>(all % 60));
  }
  return text;
}

namespace {

/// As printf does in the C locale; what a host program made of its own does not show.
std::string in_digits(double value, std::chars_format format, int digits) {
  std::array<char, 512> text{};  // 309 digits before the point, and those behind it
  const auto [end, fault] = std::to_chars(text.data(), text.data() + text.size(), value, format, digits);
  return fault == std::errc() ? std::string(text.data(), end) : format_double(value);
}

}  // namespace

std::string fixed(double value, int digits) { return in_digits(value, std::chars_format::fixed, digits); }
std::string format_short(double value) { return in_digits(value, std::chars_format::general, 6); }
std::string two_digits(double value) { return in_digits(value, std::chars_format::general, 2); }

std::string shell_word(const std::string& text) {
  const auto is_plain = [](unsigned char c) {
    return std::isalnum(c) != 0 || c >= 0x80 || std::string_view("_@%+=:,./-").find(char(c)) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), is_plain)) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string fixed_or_dash(double value, int digits) { return value >= 0 ? fixed(value, digits) : "-"; }

}  // namespace rtdetr
