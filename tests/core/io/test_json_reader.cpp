#include "core/io/json_reader.h"

#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <string>

#include "core/base/error.h"
#include "core/base/random.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Token = JsonReader::Token;

namespace {

/// One letter per token, with texts and numbers in brackets.
std::string tokens_of(JsonReader& json) {
  std::string shown;
  for (Token token; (token = json.next()) != Token::kEnd;) {
    switch (token) {
      case Token::kBeginObject:
        shown += '{';
        break;
      case Token::kEndObject:
        shown += '}';
        break;
      case Token::kBeginArray:
        shown += '[';
        break;
      case Token::kEndArray:
        shown += ']';
        break;
      case Token::kKey:
        shown += "k(" + std::string(json.text()) + ")";
        break;
      case Token::kString:
        shown += "s(" + std::string(json.text()) + ")";
        break;
      case Token::kNumber:
        shown += "n(" + std::string(json.text()) + ")";
        break;
      case Token::kTrue:
        shown += 't';
        break;
      case Token::kFalse:
        shown += 'f';
        break;
      default:
        shown += '0';
        break;
    }
  }
  return shown;
}

std::string tokens_of(std::string_view text) {
  JsonReader json(text, "text.json");
  return tokens_of(json);
}

double number_of(std::string_view text) {
  JsonReader json(text, "text.json");
  REQUIRE(json.next() == Token::kNumber);
  return json.number().value();
}

}  // namespace

TEST_CASE("tokens come in the text's order") {
  CHECK(tokens_of(R"({"a": [1, -2.5e+3, true, false, null], "b" : {"c":"d"}, "e":[] , "f":{}})") ==
        "{k(a)[n(1)n(-2.5e+3)tf0]k(b){k(c)s(d)}k(e)[]k(f){}}");
  CHECK(tokens_of(" 7 \n") == "n(7)");
}

TEST_CASE("escapes become UTF-8") {
  CHECK(tokens_of(R"(["\"\\\/\b\f\n\r\t", "\u00e4\u20AC\ud83d\ude00", "plain \u0041"])") ==
        "[s(\"\\/\b\f\n\r\t)s(\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80)s(plain A)]");
}

TEST_CASE("numbers are read to the last bit; too large is told apart from too small") {
  CHECK(number_of("0.1") == 0.1);
  CHECK(number_of("-0.0") == 0.0);
  CHECK(number_of("9007199254740993.5") == 9007199254740993.5);
  CHECK(number_of("1e-400") == 0.0);
  CHECK(number_of("4.9e-324") == 4.9e-324);
  CHECK(std::isnan(number_of("NaN")));
  CHECK(number_of("-Infinity") == -std::numeric_limits<double>::infinity());
  JsonReader json("[1e999]", "text.json");
  json.next();
  json.next();
  CHECK_FALSE(json.number());
}

TEST_CASE("whole numbers are those without a fraction, within 64 bits") {
  JsonReader json("[12, 3.0, 1e3, -9223372036854775808, 3.5, 9223372036854775808, 1e30, \"4\", null]", "text.json");
  json.next();
  CHECK(json.take_integer() == 12);
  CHECK(json.take_integer() == 3);
  CHECK(json.take_integer() == 1000);
  CHECK(json.take_integer() == std::numeric_limits<std::int64_t>::min());
  CHECK_FALSE(json.take_integer());
  CHECK(json.describe_value() == "3.5");
  CHECK_FALSE(json.take_integer());
  CHECK_FALSE(json.take_integer());
  CHECK_FALSE(json.take_integer());
  CHECK(json.describe_value() == "the text '4'");
  CHECK_FALSE(json.take_integer());
  CHECK(json.describe_value() == "null");
  CHECK(json.next() == Token::kEndArray);
}

TEST_CASE("a decimal number is the double nearest to it") {
  Random random(7, RandomPurpose::kSubstitute, 0, 0);
  for (int i = 0; i < 20000; ++i) {
    std::string text = random.below(2) == 0 ? "-" : "";
    text += std::to_string(random.below(random.below(2) == 0 ? 1000 : 1'000'000'000));
    const auto decimals = random.below(14);
    if (decimals > 0) text += ".";
    for (std::uint64_t d = 0; d < decimals; ++d) text += static_cast<char>('0' + random.below(10));
    INFO(text);
    REQUIRE(number_of(text) == std::strtod(text.c_str(), nullptr));
  }
  for (const char* text : {"9007199254740992.0", "9007199254740993.0", "0.9007199254740993", "1234567890123456789",
                           "12345678901234567890", "0.0000000000000000001", "0.00000000000000000001", "5e-1"}) {
    INFO(text);
    CHECK(number_of(text) == std::strtod(text, nullptr));
  }
  CHECK(std::signbit(number_of("-0.0")));
}

TEST_CASE("an object of the fields asked for is taken at once, any other not at all") {
  static constexpr std::array<JsonReader::NumberField, 2> kFields{{{"id", 0, true}, {"box", 2}}};
  const auto taken = [](const std::string& item) {
    JsonReader json("[" + item + "]", "text.json");
    json.next();
    std::array<double, 3> values{};
    const bool done = json.take_number_object(kFields, values.data());
    if (!done) return std::string("then ") + tokens_of(json);
    CHECK(json.next() == Token::kEndArray);
    return std::to_string(values[0]) + " " + std::to_string(values[1]) + " " + std::to_string(values[2]);
  };
  CHECK(taken(R"({"id":7,"box":[1.5,-2]})") == "7.000000 1.500000 -2.000000");
  CHECK(taken("{ \"id\" :\n7.0 , \"box\": [ 1.5 , -2 ] }") == "7.000000 1.500000 -2.000000");
  CHECK(taken(R"({"id":70e-1,"box":[0.12345678901234567890123,2E+1]})") == "7.000000 0.123457 20.000000");
  for (const char* other :
       {R"({"box":[1,2],"id":7})", R"({"id":7})", R"({"id":7,"box":[1,2],"more":1})", R"({"id":7.5,"box":[1,2]})",
        R"({"id":9007199254740993,"box":[1,2]})", R"({"id":9e19,"box":[1,2]})", R"({"id":"7","box":[1,2]})",
        R"({"id":7,"box":[1,2,3]})", R"({"id":7,"box":[1]})", R"({"id":7,"box":[1,2e999]})",
        R"({"id":7,"box":[1,NaN]})", R"({"i\u0064":7,"box":[1,2]})", R"({"idx":7,"box":[1,2]})", R"([1])", "5"}) {
    JsonReader whole("[" + std::string(other) + "]", "text.json");
    whole.next();
    INFO(other);
    CHECK(taken(other) == "then " + tokens_of(whole));
  }
  for (const char* broken : {R"({"id":07,"box":[1,2]})", R"({"id":7,"box":[1,2])", R"({"id":7 "box":[1,2]})",
                             R"({"id":7,"box":[1.,2]})", R"({"id":-,"box":[1,2]})", R"({"id":7,"box":[1,]})"}) {
    INFO(broken);
    CHECK_THROWS_AS(taken(broken), DataError);
  }
}

TEST_CASE("a value of another type is taken whole and described") {
  JsonReader json(R"([{"x": [1, {"y": 2}]}, [1, 2, 3], [1, 2, 3, "4"], [1, 2, 3, 4], [[1], 2, 3, 4], 5])", "text.json");
  json.next();
  CHECK_FALSE(json.take_string());
  CHECK(json.describe_value() == "an object");
  CHECK_FALSE(json.take_box());
  CHECK(json.describe_value() == "a list of 3");
  CHECK_FALSE(json.take_box());
  CHECK(json.describe_value() == "a list with the text '4'");
  CHECK(json.take_box() == std::array<double, 4>{1, 2, 3, 4});
  CHECK_FALSE(json.take_box());
  CHECK(json.take_flag() == true);
  CHECK(json.next() == Token::kEndArray);
}

TEST_CASE("a file longer than the window reads like the text, wherever its tokens fall") {
  const test::TemporaryFolder folder;
  std::string text = "[";
  for (int i = 0; i < 60000; ++i) {
    text += "{\"key\\u0041" + std::to_string(i) + "\":\"value " + std::string(static_cast<std::size_t>(i % 37), 'v') +
            "\\n\"}, " + std::to_string(i) + ".25,\n";
  }
  text += std::string(20000, ' ') + "\"" + std::string(700000, 'x') + "\\u20ac\"]";
  test::write_file(folder / "long.json", text);
  JsonReader from_file(folder / "long.json");
  CHECK(tokens_of(from_file) == tokens_of(text));
}

TEST_CASE("a file longer than the window keeps its plain keys and its lines") {
  const test::TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 60000; ++i) text += (i ? ",\n\"" : "{\n\"") + std::to_string(i) + "\" : " + std::to_string(i);
  test::write_file(folder / "long.json", text + "}");
  JsonReader from_file(folder / "long.json");
  CHECK(tokens_of(from_file) == tokens_of(text + "}"));
  test::write_file(folder / "long.json", text + ",\n x}");
  JsonReader wrong(folder / "long.json");
  CHECK_THROWS_WITH(tokens_of(wrong), Catch::Contains("long.json: line 60002, byte "));
}

TEST_CASE("an escape may fall on the window's edge at any of its characters") {
  constexpr std::size_t kWindow = 1u << 18;
  const test::TemporaryFolder folder;
  for (std::size_t before = 0; before < 14; ++before) {
    const std::string text = "\"" + std::string(kWindow - 1 - before, 'x') + "\\ud83d\\ude00\"";
    test::write_file(folder / "edge.json", text);
    JsonReader json(folder / "edge.json");
    REQUIRE(json.next() == Token::kString);
    CHECK(json.text().ends_with("x\xF0\x9F\x98\x80"));
    CHECK(json.text().size() == kWindow - 1 - before + 4);
  }
}

TEST_CASE("a byte order mark before a file's text is passed over") {
  const test::TemporaryFolder folder;
  test::write_file(folder / "bom.json", "\xEF\xBB\xBF[1]");
  JsonReader json(folder / "bom.json");
  CHECK(tokens_of(json) == "[n(1)]");
}

TEST_CASE("a text in UTF-16 and a compressed one are named for what they are") {
  using namespace std::string_literals;
  CHECK(tokens_of("\xEF\xBB\xBF[1]") == "[n(1)]");
  const auto refusal = [](const std::string& text, const char* says) {
    CHECK_THROWS_WITH(JsonReader(text, "a.json"),
                      Catch::StartsWith("a.json: line 1, byte 0: ") && Catch::Contains(says));
  };
  refusal("\xFF\xFE[\0]\0"s, "UTF-16");
  refusal("\xFE\xFF\0[\0]"s, "UTF-16");
  refusal("\x1F\x8B\x08"s, "gzip");
  refusal("PK\x03\x04"s, "ZIP");
}

TEST_CASE("a label is a text, or a number or truth value as it is written") {
  JsonReader json(R"(["a", 1, 1.50, true, null, [2], -0])", "text.json");
  json.next();
  CHECK(json.take_label() == "a");
  CHECK(json.take_label() == "1");
  CHECK(json.take_label() == "1.50");
  CHECK(json.take_label() == "true");
  CHECK_FALSE(json.take_label());
  CHECK(json.took_null());
  CHECK_FALSE(json.take_label());
  CHECK_FALSE(json.took_null());
  CHECK(json.describe_value() == "a list");
  CHECK(json.take_label() == "-0");
}

TEST_CASE("skipping passes over whole values and keeps the grammar") {
  JsonReader json(R"({"skip": [[1, 2], {"a": [3]}, "]}"], "take": 4})", "text.json");
  json.next();
  json.next();
  json.skip(json.next());
  CHECK(json.next() == Token::kKey);
  CHECK(json.text() == "take");
  CHECK(json.take_integer() == 4);

  JsonReader broken(R"([[1, 2,, 3], 4])", "text.json");
  broken.next();
  CHECK_THROWS_AS(broken.skip(broken.next()), DataError);
}

TEST_CASE("what is no JSON is refused with file, line and byte") {
  const auto text = GENERATE(as<std::string>{}, "", "[", "[1", "[1,", "[1,]", "[1 2]", "{\"a\" 1}", "{\"a\":1,}",
                             "{1:2}", "{\"a\":}", "[01]", "[1.]", "[.5]", "[+1]", "[1e]", "[-]", "[--1]", "nul",
                             "[tru]", "'a'", "\"a", "[\"\t\"]", "[\"\\x\"]", "[\"\\u12g4\"]", "[\"\\ud800\"]",
                             "[\"\\ud800\\u0041\"]", "[1] 2", "]", "}", "[1}", "{\"a\":1]", "[1]]");
  INFO(text);
  CHECK_THROWS_AS(tokens_of(text), DataError);
  CHECK_THROWS_WITH(tokens_of("[1,\n2,\n x]"), Catch::StartsWith("text.json: line 3, byte 8: "));
}

TEST_CASE("nesting and numbers without end are refused before they cost anything") {
  CHECK_THROWS_WITH(tokens_of(std::string(1000000, '[')), Catch::Contains("deeper than 64"));
  CHECK_NOTHROW(tokens_of(std::string(64, '[') + std::string(64, ']')));
  CHECK_THROWS_WITH(tokens_of(std::string(5000, '1')), Catch::Contains("1000 characters"));
  CHECK_THROWS_AS(tokens_of("\"" + std::string((1u << 24) + 10, 'x') + "\\n\""), DataError);
}

TEST_CASE("a file that is not there is an IoError") {
  CHECK_THROWS_AS(JsonReader(std::filesystem::path("/nowhere/at/all.json")), IoError);
}

TEST_CASE("a value that is passed over may have texts of any length, one that is taken may not") {
  const std::string embedded(std::size_t{17} << 20, 'A');
  const test::TemporaryFolder folder;
  test::write_file(folder / "a.json", "{\"imageData\": \"" + embedded + "\\n\", \"b\": [\"x\\ty\"]}");
  JsonReader json(folder / "a.json");
  CHECK(json.next() == JsonReader::Token::kBeginObject);
  CHECK(json.next() == JsonReader::Token::kKey);
  json.skip_next();
  CHECK(json.next() == JsonReader::Token::kKey);
  CHECK(json.text() == "b");
  CHECK(json.next() == JsonReader::Token::kBeginArray);
  CHECK(json.next() == JsonReader::Token::kString);
  CHECK(json.text() == "x\ty");
  JsonReader taken(folder / "a.json");
  taken.next();
  taken.next();
  CHECK_THROWS_WITH(taken.next(), Catch::Contains("a text longer than 16 MiB"));
}
