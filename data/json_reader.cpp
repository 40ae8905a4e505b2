#include "data/json_reader.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "core/io/error.h"

namespace rtdetr {
namespace {

constexpr std::size_t kWindow = std::size_t{1} << 18;
constexpr std::ptrdiff_t kLookahead = 1 << 13;  // a number or word always fits
constexpr std::ptrdiff_t kLongestEscape = 12;   // \uD83D\uDE00
constexpr std::size_t kLongestNumber = 1000;
constexpr std::size_t kLongestString = std::size_t{1} << 24;  // the counts of a compressed mask
constexpr int kDeepest = 64;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

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

std::string show_character(char c) {
  if (static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7F) return std::string("'") + c + "'";
  return "byte " + std::to_string(static_cast<unsigned char>(c));
}

}  // namespace

JsonReader::JsonReader(const std::filesystem::path& file)
    : name_(file.string()), file_(std::fopen(file.c_str(), "rb")), window_(kWindow + 1) {
  if (!file_) throw IoError(name_ + ": cannot be opened: " + std::strerror(errno));
  std::setvbuf(file_.get(), nullptr, _IONBF, 0);
  start_ = at_ = end_ = window_.data();
  refill();
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (std::string_view(at_, static_cast<std::size_t>(end_ - at_)).starts_with(kByteOrderMark))
    at_ += kByteOrderMark.size();
}

JsonReader::JsonReader(std::string_view text, std::string name) : name_(std::move(name)), exhausted_(true) {
  window_.assign(text.begin(), text.end());
  window_.push_back('\0');
  start_ = at_ = window_.data();
  end_ = at_ + text.size();
}

void JsonReader::fail(const std::string& message) const {
  const auto lines = lines_passed_ + static_cast<std::uint64_t>(std::count(start_, at_, '\n'));
  throw DataError(name_ + ": line " + std::to_string(lines + 1) + ", byte " +
                  std::to_string(passed_ + static_cast<std::uint64_t>(at_ - start_)) + ": " + message);
}

/// Moves what is left to the window's start and fills the rest; false if nothing could be added.
bool JsonReader::refill() {
  if (exhausted_) return false;
  if (text_.data() >= start_ && text_.data() < end_) {
    scratch_.assign(text_);
    text_ = scratch_;
  }
  const auto left = static_cast<std::size_t>(end_ - at_);
  passed_ += static_cast<std::uint64_t>(at_ - start_);
  lines_passed_ += static_cast<std::uint64_t>(std::count(start_, at_, '\n'));
  std::memmove(window_.data(), at_, left);
  const std::size_t got = std::fread(window_.data() + left, 1, kWindow - left, file_.get());
  if (std::ferror(file_.get())) throw IoError(name_ + ": cannot be read: " + std::strerror(errno));
  exhausted_ = got < kWindow - left;
  start_ = at_ = window_.data();
  end_ = start_ + left + got;
  window_[left + got] = '\0';
  return got > 0;
}

char JsonReader::peek() {
  for (;;) {
    while (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t') ++at_;
    if (end_ - at_ >= kLookahead || !refill()) return at_ < end_ ? *at_ : '\0';
  }
}

JsonReader::Token JsonReader::next() {
  char c = peek();
  if (state_ == State::kAfterValue) {
    if (depth_ == 0) {
      state_ = State::kEndOfText;
    } else if (c == ',') {
      ++at_;
      c = peek();
      state_ = in_object() ? State::kKey : State::kValue;
    } else if (c == (in_object() ? '}' : ']')) {
      return end();
    } else {
      fail(at_ == end_
               ? std::string("the text ends in the middle")
               : std::string(in_object() ? "',' or '}'" : "',' or ']'") + " expected, not " + show_character(c));
    }
  }
  switch (state_) {
    case State::kEndOfText:
      if (at_ != end_) fail("more text after the end");
      return Token::kEnd;
    case State::kFirstItem:
      if (c == ']') return end();
      return value(c);
    case State::kFirstKey:
      if (c == '}') return end();
      [[fallthrough]];
    case State::kKey:
      if (c != '"') fail(at_ == end_ ? "the text ends in the middle" : "a key in double quotes expected");
      read_string();
      if (peek() != ':') fail("':' expected after the key '" + std::string(text_.substr(0, 40)) + "'");
      ++at_;
      state_ = State::kValue;
      return Token::kKey;
    default:
      return value(c);
  }
}

JsonReader::Token JsonReader::begin(bool object) {
  if (depth_ == kDeepest) fail("nested deeper than " + std::to_string(kDeepest) + " levels");
  ++at_;
  kinds_ = (kinds_ & ~(std::uint64_t{1} << depth_)) | (std::uint64_t{object} << depth_);
  ++depth_;
  state_ = object ? State::kFirstKey : State::kFirstItem;
  return object ? Token::kBeginObject : Token::kBeginArray;
}

JsonReader::Token JsonReader::end() {
  const Token token = in_object() ? Token::kEndObject : Token::kEndArray;
  ++at_;
  --depth_;
  state_ = State::kAfterValue;
  return token;
}

JsonReader::Token JsonReader::value(char first) {
  if (first == '{' || first == '[') return begin(first == '{');
  state_ = State::kAfterValue;
  switch (first) {
    case '"':
      read_string();
      return Token::kString;
    case 't':
      return word("true", Token::kTrue);
    case 'f':
      return word("false", Token::kFalse);
    case 'n':
      return word("null", Token::kNull);
    case 'N':
      return word("NaN", Token::kNumber);
    case 'I':
      return word("Infinity", Token::kNumber);
    default:
      if (first == '-' || is_digit(first)) return read_number();
      fail(at_ == end_ ? "the text ends in the middle" : "a value expected, not " + show_character(first));
  }
}

JsonReader::Token JsonReader::word(std::string_view expected, Token token) {
  if (!std::string_view(at_, static_cast<std::size_t>(end_ - at_)).starts_with(expected)) {
    fail("a value expected; texts stand in double quotes");
  }
  text_ = {at_, expected.size()};
  at_ += expected.size();
  return token;
}

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
    out.append(at_, p);
    at_ = p;
    if (out.size() > kLongestString) fail("a text longer than 16 MiB");
    if (end_ - at_ < kLongestEscape && refill()) continue;
    if (at_ == end_) fail("the text ends inside double quotes");
    if (*at_ == '"') break;
    if (*at_ != '\\') fail("a control character inside double quotes (" + show_character(*at_) + ")");
    ++at_;
    const char escape = at_ < end_ ? *at_++ : '\0';
    constexpr std::string_view kEscapes = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (const auto which = kEscapes.find(escape); escape != '\0' && which != std::string_view::npos) {
      out += kMeanings[which];
    } else if (escape == 'u') {
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
    } else {
      fail("an unknown escape inside double quotes");
    }
  }
  ++at_;
  scratch_ = std::move(out);
  text_ = scratch_;
}

unsigned JsonReader::read_hex4() {
  unsigned code = 0;
  if (end_ - at_ < 4 || std::from_chars(at_, at_ + 4, code, 16).ptr != at_ + 4)
    fail("four hex digits expected after \\u");
  at_ += 4;
  return code;
}

JsonReader::Token JsonReader::read_number() {
  const char* p = at_;
  if (*p == '-') ++p;
  if (*p == 'I' && p > at_) return word("-Infinity", Token::kNumber);
  const char* digits = p;
  while (is_digit(*p)) ++p;
  bool good = p > digits && (*digits != '0' || p == digits + 1);
  if (*p == '.') {
    const char* fraction = ++p;
    while (is_digit(*p)) ++p;
    good &= p > fraction;
  }
  if (*p == 'e' || *p == 'E') {
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
  return Token::kNumber;
}

std::optional<double> JsonReader::number() const {
  if (text_ == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text_ == "Infinity") return std::numeric_limits<double>::infinity();
  if (text_ == "-Infinity") return -std::numeric_limits<double>::infinity();
  double value = 0;
  const auto [end, code] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
  if (code == std::errc{}) return value;
  // Out of range: too large is refused, too small is zero or denormal as in every other reader.
  value = std::strtod(std::string(text_).c_str(), nullptr);
  if (std::isinf(value)) return std::nullopt;
  return value;
}

std::optional<std::int64_t> JsonReader::integer() const {
  std::int64_t whole = 0;
  const char* last = text_.data() + text_.size();
  if (const auto [end, code] = std::from_chars(text_.data(), last, whole); code == std::errc{} && end == last)
    return whole;
  constexpr double kExact = 9007199254740992.0;  // 2^53
  const std::optional<double> value = number();
  if (!value || !(std::abs(*value) <= kExact) || *value != std::floor(*value)) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

void JsonReader::skip(Token first) {
  if (first != Token::kBeginObject && first != Token::kBeginArray) return;
  const int outside = depth_ - 1;
  while (depth_ > outside) next();
}

void JsonReader::describe(Token token) {
  constexpr std::size_t kShown = 40;
  const std::string shown(text_.substr(0, kShown));
  switch (token) {
    case Token::kBeginObject:
      described_ = "an object";
      break;
    case Token::kBeginArray:
      described_ = "a list";
      break;
    case Token::kString:
      described_ = "the text '" + shown + (text_.size() > kShown ? "…'" : "'");
      break;
    case Token::kNumber:
      described_ = shown;
      break;
    case Token::kTrue:
      described_ = "true";
      break;
    case Token::kFalse:
      described_ = "false";
      break;
    default:
      described_ = "null";
      break;
  }
}

std::optional<std::int64_t> JsonReader::take_integer() {
  described_.clear();
  const Token token = next();
  const auto value = token == Token::kNumber ? integer() : std::nullopt;
  if (!value) describe(token);
  skip(token);
  return value;
}

std::optional<double> JsonReader::take_number() {
  described_.clear();
  const Token token = next();
  const auto value = token == Token::kNumber ? number() : std::nullopt;
  if (!value) describe(token);
  skip(token);
  return value;
}

std::optional<std::string> JsonReader::take_string() {
  described_.clear();
  const Token token = next();
  if (token == Token::kString) return std::string(text_);
  describe(token);
  skip(token);
  return std::nullopt;
}

std::optional<bool> JsonReader::take_flag() {
  described_.clear();
  const Token token = next();
  if (token == Token::kTrue || token == Token::kFalse) return token == Token::kTrue;
  const auto value = token == Token::kNumber ? integer() : std::nullopt;
  if (!value) describe(token);
  skip(token);
  return value ? std::optional<bool>(*value != 0) : std::nullopt;
}

std::optional<std::array<double, 4>> JsonReader::take_box() {
  described_.clear();
  std::array<double, 4> box{};
  Token token = next();
  if (token != Token::kBeginArray) {
    describe(token);
    skip(token);
    return std::nullopt;
  }
  std::size_t count = 0;
  bool good = true;
  while ((token = next()) != Token::kEndArray) {
    const auto value = token == Token::kNumber ? number() : std::nullopt;
    if (!value && good) {
      describe(token);
      described_ = "a list with " + described_;
      good = false;
    }
    if (value && count < box.size()) box[count] = *value;
    ++count;
    skip(token);
  }
  if (good && count != box.size()) described_ = "a list of " + std::to_string(count);
  return good && count == box.size() ? std::optional(box) : std::nullopt;
}

}  // namespace rtdetr
