#pragma once

#include "core/base/cpp20.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rtdetr {

/// The candidate nearest to `word` by edit distance, if it is near enough to be a misspelling of it.
std::optional<std::string> nearest_word(std::string_view word, std::span<const std::string> candidates);

/// "; did you mean 'epochs'?" or, when nothing is near, "".
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

/// Shortest decimal text that reads back as the same double; "nan", "inf" spelt out.
std::string format_double(double value);

/// Whole-text conversions: nullopt unless every character belongs to the number.
std::optional<double> parse_double(std::string_view text);
std::optional<long long> parse_integer(std::string_view text);

/// Without the byte order mark that some editors put before UTF-8.
std::string_view without_byte_order_mark(std::string_view text);
/// "UTF-16" or "UTF-32", by the text's byte order mark or the NULs that every other byte is then; "" for anything else.
std::string_view wide_encoding(std::string_view text);
/// "the text is UTF-16; save it as UTF-8, e.g. with iconv -f UTF-16 -t UTF-8": for messages.
std::string wide_encoding_hint(std::string_view encoding);

std::vector<std::string> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);
/// A to Z in small letters, all else as it is.
std::string lower_case(std::string_view text);

/// Of ASCII, whatever the locale.
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
std::string join(std::span<const std::string> parts, std::string_view separator);

/// 32970476 → "32,970,476".
std::string with_thousands(long long value);
/// 1, "step" → "1 step"; 1200 → "1,200 steps".
std::string counted(long long count, std::string_view noun);
/// 3723 → "1:02:03"; 75 → "1:15".
std::string format_duration(double seconds);

/// Number with `digits` after the point: AP as 0.665, milliseconds as 12.3; "-" for COCO's undefined −1 and for NaN.
std::string fixed(double value, int digits);
std::string fixed_or_dash(double value, int digits);

/// Six digits: 1e-4 times 0.01 as 1e-06.
std::string format_short(double value);

/// Two digits, as an error is told: 1.1920929e-07 as 1.2e-07.
std::string two_digits(double value);

/// A text as one word of a command line that can be pasted into a shell, in quotes where it needs them.
std::string shell_word(const std::string& text);

}  // namespace rtdetr
