#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "core/io/json_reader.h"
#include "core/io/utf8.h"

/// What the texts and numbers of JsonReader mean.
namespace rtdetr {

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

void JsonReader::describe(Token token) {
  switch (token) {
    case Token::kBeginObject:
      described_ = "an object";
      break;
    case Token::kBeginArray:
      described_ = "a list";
      break;
    case Token::kString:
      described_ = (is_utf8(text_) ? "the text '" : "no UTF-8: '") + excerpt(text_) + "'";
      break;
    case Token::kNumber:
      described_ = excerpt(text_);
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
  if (token == Token::kString && is_utf8(text_)) return std::string(text_);
  describe(token);
  skip(token);
  return std::nullopt;
}

std::optional<std::string> JsonReader::take_label() {
  described_.clear();
  const Token token = next();
  const bool text = token == Token::kString && is_utf8(text_);
  if (text || token == Token::kNumber || token == Token::kTrue || token == Token::kFalse) return std::string(text_);
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
