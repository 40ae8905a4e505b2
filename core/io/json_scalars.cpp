#include <algorithm>
#include <charconv>

#include "core/base/text.h"
#include "core/io/json_reader.h"

/// How JsonReader reads texts and numbers.
namespace rtdetr {
namespace {

constexpr std::ptrdiff_t kLongestEscape = 12;                 // \uD83D\uDE00
constexpr std::size_t kLongestString = std::size_t{1} << 24;  // the counts of a compressed mask

/// Characters of a text that stand for themselves.
bool is_plain(char c) { return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\'; }

void append_utf8(std::string& out, unsigned code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

}  // namespace

void JsonReader::read_string() {
  const char* from = at_ + 1;
  const char* p = from;
  while (is_plain(*p)) ++p;
  if (*p == '"' && p < end_) {
    text_ = {from, static_cast<std::size_t>(p - from)};
    at_ = p + 1;
    return;
  }
  read_escaped_string();
}

/// Texts with escapes, and those that go beyond the window.
void JsonReader::read_escaped_string() {
  std::string out;
  ++at_;
  for (;;) {
    const char* p = at_;
    while (is_plain(*p)) ++p;
    if (keeps_texts_)
      out.append(at_, p);
    else
      out.clear();
    at_ = p;
    if (out.size() > kLongestString) fail("a text longer than 16 MiB");
    if (end_ - at_ < kLongestEscape && refill()) continue;
    if (at_ == end_) fail("the text ends inside double quotes");
    if (*at_ == '"') break;
    if (*at_ != '\\') fail("a control character inside double quotes");
    ++at_;
    read_escape(out);
  }
  ++at_;
  scratch_ = std::move(out);
  text_ = scratch_;
}

/// What follows a backslash, all of it in the window.
void JsonReader::read_escape(std::string& out) {
  constexpr std::string_view kEscapes = "\"\\/bfnrt";
  constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  const char escape = at_ < end_ ? *at_++ : '\0';
  if (const auto which = kEscapes.find(escape); which != std::string_view::npos) {
    out += kMeanings[which];
    return;
  }
  if (escape != 'u') fail("an unknown escape inside double quotes");
  unsigned code = read_hex4();
  if (code >= 0xD800 && code < 0xDC00 && at_ + 1 < end_ && at_[0] == '\\' && at_[1] == 'u') {
    at_ += 2;
    const unsigned low = read_hex4();
    if (low < 0xDC00 || low >= 0xE000) fail("a \\u pair that is no character");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  } else if (code >= 0xD800 && code < 0xE000) {
    fail("half of a \\u pair");
  }
  append_utf8(out, code);
}

unsigned JsonReader::read_hex4() {
  unsigned code = 0;
  if (end_ - at_ < 4 || std::from_chars(at_, at_ + 4, code, 16).ptr != at_ + 4)
    fail("four hex digits expected after \\u");
  at_ += 4;
  return code;
}

JsonReader::Token JsonReader::read_number() {
  constexpr std::ptrdiff_t kMostDigits = 19;  // fit 64 bits
  Decimal decimal;
  const char* p = at_;
  if (*p == '-') ++p;
  if (*p == 'I' && p > at_) return word("-Infinity", Token::kNumber);
  decimal.negative = p > at_;
  const auto read_digits = [&] {
    const char* from = p;
    for (; is_digit(*p); ++p) decimal.digits = decimal.digits * 10 + static_cast<unsigned>(*p - '0');
    return p - from;
  };
  const char* digits = p;
  std::ptrdiff_t count = read_digits();
  bool good = count == 1 || (count > 1 && *digits != '0');
  if (*p == '.') {
    ++p;
    const std::ptrdiff_t fraction = read_digits();
    good &= fraction > 0;
    count += fraction;
    decimal.exponent = -static_cast<int>(std::min(fraction, kMostDigits));
  }
  decimal.known = count <= kMostDigits;
  if (*p == 'e' || *p == 'E') {
    decimal.known = false;
    ++p;
    if (*p == '+' || *p == '-') ++p;
    const char* exponent = p;
    while (is_digit(*p)) ++p;
    good &= p > exponent;
  }
  const auto length = static_cast<std::size_t>(p - at_);
  if (length > kLongestNumber) fail("a number of more than 1000 characters");
  if (!good) fail("not a number: '" + std::string(at_, std::min<std::size_t>(length + 1, 40)) + "'");
  text_ = {at_, length};
  at_ = p;
  decimal_ = decimal;
  return Token::kNumber;
}

}  // namespace rtdetr
