#include <algorithm>
#include <array>
#include <charconv>
#include <clocale>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "core/base/text.h"
#include "core/io/json_reader.h"
#include "core/io/utf8.h"

/// What the texts and numbers of JsonReader mean.
namespace rtdetr {
namespace {

constexpr std::uint64_t kExactDigits = std::uint64_t{1} << 53;

/// A whole number that no other one was rounded to.
bool is_exact_integer(double value) {
  return value == std::floor(value) && std::abs(value) < static_cast<double>(kExactDigits);
}

/// digits / 10^decimals. Both are exact in a double, so one division rounds as the decimal text is to be rounded
/// (Clinger, 1990). @param digits  at most kExactDigits  @param decimals  at most 19
double nearest_double(std::uint64_t digits, std::ptrdiff_t decimals) {
  static constexpr std::array<double, 20> kTens{1,    1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,
                                                1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19};
  return static_cast<double>(digits) / kTens[static_cast<std::size_t>(decimals)];
}

}  // namespace

std::optional<double> JsonReader::number() const {
  if (decimal_.known && decimal_.digits <= kExactDigits) {
    const double value = nearest_double(decimal_.digits, -decimal_.exponent);
    return decimal_.negative ? -value : value;
  }
  if (text_ == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text_ == "Infinity") return std::numeric_limits<double>::infinity();
  if (text_ == "-Infinity") return -std::numeric_limits<double>::infinity();
  double value = 0;
  const auto [end, code] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
  if (code == std::errc{}) return value;
  // Out of range: too large is refused, too small is zero or denormal as in every other reader.
  static const locale_t kPlain = ::newlocale(LC_NUMERIC_MASK, "C", nullptr);  // whatever a host program has set
  value = ::strtod_l(std::string(text_).c_str(), nullptr, kPlain);
  if (std::isinf(value)) return std::nullopt;
  return value;
}

std::optional<std::int64_t> JsonReader::integer() const {
  if (decimal_.known && decimal_.exponent == 0 && decimal_.digits <= std::numeric_limits<std::int64_t>::max())
    return decimal_.negative ? -static_cast<std::int64_t>(decimal_.digits) : static_cast<std::int64_t>(decimal_.digits);
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

/// These three are given the place where something is to begin and return the place behind it; nullptr if it is not
/// what is wanted, or if it goes beyond the window, whose end is a '\0'.
const char* JsonReader::after_space(const char* p) {
  while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') ++p;
  return p;
}

const char* JsonReader::after_decimal(const char* p, double& value) {
  constexpr std::ptrdiff_t kMostDigits = 19;  // fit 64 bits
  const char* const begin = p;
  if (*p == '-') ++p;
  const char* const first = p;
  std::uint64_t digits = 0;
  for (; is_digit(*p); ++p) digits = digits * 10 + static_cast<unsigned>(*p - '0');
  std::ptrdiff_t count = p - first, decimals = 0;
  if (count == 0 || (count > 1 && *first == '0')) return nullptr;
  if (*p == '.') {
    const char* const point = ++p;
    for (; is_digit(*p); ++p) digits = digits * 10 + static_cast<unsigned>(*p - '0');
    decimals = p - point;
    count += decimals;
    if (decimals == 0) return nullptr;
  }
  if (count <= kMostDigits && digits <= kExactDigits && *p != 'e' && *p != 'E') {
    value = nearest_double(digits, decimals);
    if (first != begin) value = -value;
    return p;
  }
  if (*p == 'e' || *p == 'E') {
    p += p[1] == '+' || p[1] == '-' ? 2 : 1;
    if (!is_digit(*p)) return nullptr;
    while (is_digit(*p)) ++p;
  }
  if (p - begin > static_cast<std::ptrdiff_t>(kLongestNumber)) return nullptr;
  return std::from_chars(begin, p, value).ec == std::errc{} ? p : nullptr;
}

const char* JsonReader::after_field(const char* p, const NumberField& field, double* out) {
  if (*p != '"' || std::strncmp(p + 1, field.key.data(), field.key.size()) != 0) return nullptr;
  p += 1 + field.key.size();
  if (*p != '"') return nullptr;
  p = after_space(p + 1);
  if (*p != ':') return nullptr;
  p = after_space(p + 1);
  if (field.count == 0) {
    p = after_decimal(p, *out);
    return p != nullptr && field.whole && !is_exact_integer(*out) ? nullptr : p;
  }
  for (int i = 0; i < field.count; ++i) {
    if (*p != (i == 0 ? '[' : ',')) return nullptr;
    p = after_decimal(after_space(p + 1), out[i]);
    if (p == nullptr) return nullptr;
    p = after_space(p);
  }
  return *p == ']' ? p + 1 : nullptr;
}

bool JsonReader::take_number_object(std::span<const NumberField> fields, double* out) {
  if (depth_ == 0 || depth_ + 2 > kDeepest || in_object()) return false;
  const char* p = (peek(), at_);
  if (state_ == State::kAfterValue) {
    if (*p != ',') return false;
    p = after_space(p + 1);
  } else if (state_ != State::kFirstItem) {
    return false;
  }
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (*p != (i == 0 ? '{' : ',')) return false;
    p = after_field(after_space(p + 1), fields[i], out);
    if (p == nullptr) return false;
    p = after_space(p);
    out += std::max(fields[i].count, 1);
  }
  if (*p != '}') return false;
  at_ = p + 1;
  state_ = State::kAfterValue;
  return true;
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
