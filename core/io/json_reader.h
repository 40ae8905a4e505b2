#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rtdetr {

/// JSON as a stream of tokens. Annotation and result files are large and flat, so they are read through a window of
/// a fixed size straight into records: a tree of the file would need 6 to 8 times its size, and a general event parser
/// five times the time (docs/decisions/0006-json-by-hand-and-two-layers.md). Nothing is recursive; depth, and the
/// length of numbers and of texts that are kept, are limited.
///
/// The grammar is RFC 8259, enforced also in what is skipped, with one addition: NaN, Infinity and -Infinity are
/// numbers, because Python writes them; what they mean is the caller's business.
class JsonReader {
 public:
  enum class Token {
    kBeginObject,
    kEndObject,
    kBeginArray,
    kEndArray,
    kKey,
    kString,
    kNumber,
    kTrue,
    kFalse,
    kNull,
    kEnd
  };

  /// @throws IoError if the file cannot be opened
  explicit JsonReader(const std::filesystem::path& file);
  /// @param name  what messages call the text
  JsonReader(std::string_view text, std::string name);

  /// Next token. @throws DataError with file, line and byte where the text is no JSON; IoError
  Token next();
  /// Key, text without escapes, or number as written. Valid until the next call.
  std::string_view text() const { return text_; }
  /// Value of a number token: NaN and infinities as written; nullopt if it is too large for a double.
  std::optional<double> number() const;
  /// Value of a number token that is a whole number within 64 bits, also when written 3.0.
  std::optional<std::int64_t> integer() const;
  /// Passes over the rest of the value that `first` began.
  void skip(Token first);
  /// Passes over the next value, of whatever length: texts in it are not kept.
  void skip_next();

  /// These take one whole value, whatever it is, and give nullopt unless it is of the type asked for; describe_value()
  /// then says what it was.
  std::optional<std::int64_t> take_integer();
  std::optional<double> take_number();       ///< finite, NaN or infinite by name; not too large
  std::optional<std::string> take_string();  ///< in UTF-8
  std::optional<std::string> take_label();   ///< a text in UTF-8; a number, true or false as it is written
  std::optional<bool> take_flag();           ///< true, false or a whole number
  /// One field of an object that holds numbers alone.
  struct NumberField {
    std::string_view key;  ///< as it is written, without quotes
    int count = 0;         ///< of a list; 0 = a number by itself
    bool whole = false;    ///< without a fraction
  };
  /// A short cut for the records of long lists. Takes the list's next item if that is an object of just these fields in
  /// this order, with numbers that a double can hold; else takes nothing, and next() tells.
  /// @param out  their values, one after the other
  bool take_number_object(std::span<const NumberField> fields, double* out);
  /// Exactly `N` numbers in a list. [x, y, w, h] is all we need.
  std::optional<std::array<double, 4>> take_box();
  /// Says what the last take_ met: "the text 'a'", "1e999", "a list".
  std::string describe_value() const { return described_.empty() ? std::string(text_) : described_; }
  /// Whether the last take_ met null instead of what it wanted.
  bool took_null() const { return described_ == "null"; }

  const std::string& name() const { return name_; }
  /// @throws DataError  "file.json: line 3, byte 170: `message`"
  [[noreturn]] void fail(const std::string& message) const;

 private:
  enum class State { kValue, kFirstItem, kFirstKey, kKey, kAfterValue, kEndOfText };
  static constexpr std::ptrdiff_t kLookahead = 1 << 13;  ///< a number or word always fits
  static constexpr std::size_t kLongestNumber = 1000;    ///< characters
  static constexpr int kDeepest = 64;

  /// A number as it is written: ±digits · 10^exponent.
  struct Decimal {
    std::uint64_t digits = 0;
    int exponent = 0;
    bool negative = false;
    bool known = false;  ///< false for words, and where the digits exceed what is kept
  };
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  void begin_text();  ///< passes over UTF-8's byte order mark, refuses what is plainly no text
  /// Next character that is not white space; '\0' at the end of the text.
  char peek() { return *at_ > ' ' && end_ - at_ >= kLookahead ? *at_ : peek_far(); }
  char peek_far();
  bool refill();
  Token begin(bool object);
  Token end();
  Token value(char first);
  Token word(std::string_view expected, Token token);
  void read_string();
  void read_escaped_string();
  void read_escape(std::string& out);
  unsigned read_hex4();
  Token read_number();
  static const char* after_space(const char* p);
  static const char* after_decimal(const char* p, double& value);
  static const char* after_field(const char* p, const NumberField& field, double* out);
  void describe(Token token);
  bool in_object() const { return (kinds_ >> (depth_ - 1)) & 1; }

  std::string name_;
  std::unique_ptr<std::FILE, Close> file_;
  std::vector<char> window_;     ///< part of the text (or all), then one '\0'
  const char* at_ = nullptr;     ///< next character
  const char* end_ = nullptr;    ///< end of what is in memory; *end_ is '\0'
  const char* start_ = nullptr;  ///< start of what is in memory
  std::uint64_t passed_ = 0;     ///< bytes before start_
  std::uint64_t lines_passed_ = 0;
  bool exhausted_ = false;   ///< nothing follows end_
  bool keeps_texts_ = true;  ///< those beyond the window, too

  State state_ = State::kValue;
  int depth_ = 0;
  std::uint64_t kinds_ = 0;  ///< one bit per open bracket: 1 = object
  std::string_view text_;
  Decimal decimal_;        ///< of the last number
  std::string scratch_;    ///< texts that do not lie in the window as they are
  std::string described_;  ///< what a take_ met instead of what it wanted
};

}  // namespace rtdetr
