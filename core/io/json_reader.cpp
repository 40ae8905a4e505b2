#include "core/io/json_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/utf8.h"

namespace rtdetr {
namespace {

constexpr std::size_t kWindow = std::size_t{1} << 18;

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
  begin_text();
}

JsonReader::JsonReader(std::string_view text, std::string name) : name_(std::move(name)), exhausted_(true) {
  window_.assign(text.begin(), text.end());
  window_.push_back('\0');
  start_ = at_ = window_.data();
  end_ = at_ + text.size();
  begin_text();
}

void JsonReader::begin_text() {
  using namespace std::string_view_literals;
  const std::string_view text(at_, static_cast<std::size_t>(end_ - at_));
  if (const std::string_view encoding = wide_encoding(text); !encoding.empty()) fail(wide_encoding_hint(encoding));
  if (text.starts_with("\x1F\x8B"sv)) fail("the file is compressed by gzip; unpack it");
  if (text.starts_with("PK\x03\x04"sv)) fail("the file is a ZIP archive; unpack it");
  at_ += text.size() - without_byte_order_mark(text).size();
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

char JsonReader::peek_far() {
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
      if (peek() != ':') fail("':' expected after the key '" + excerpt(text_) + "'");
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
  decimal_.known = false;
  return token;
}

void JsonReader::skip_next() {
  keeps_texts_ = false;
  skip(next());
  keeps_texts_ = true;
}

void JsonReader::skip(Token first) {
  if (first != Token::kBeginObject && first != Token::kBeginArray) return;
  const int outside = depth_ - 1;
  while (depth_ > outside) next();
}

}  // namespace rtdetr
