#include "core/io/utf8.h"

#include <catch2/catch.hpp>

using namespace rtdetr;

TEST_CASE("characters of one to four bytes are UTF-8") {
  CHECK(is_utf8("a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\x7F"));
  CHECK(is_utf8(""));
  CHECK(is_utf8("\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF"));
}

TEST_CASE("stray, cut, overlong, surrogate and too large characters are not") {
  const auto text = GENERATE(as<std::string>{}, "\x80", "\xE4", "\xC3", "\xC3(", "\xE2\x82", "\xC0\xAF", "\xE0\x80\xAF",
                             "\xF0\x80\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF");
  CHECK_FALSE(is_utf8(text));
  CHECK_FALSE(is_utf8("abc" + text));
}

TEST_CASE("control characters become visible, other text stays as it is") {
  CHECK(without_controls("a\tb\n \xC3\xA4…") == "a\tb\n \xC3\xA4…");
  CHECK(without_controls("\x1B[2J\r\x7F") == "\\x1b[2J\\x0d\\x7f");
  CHECK(without_controls("\xC2\x9B"
                         "2J\xC2\xA0\xC2") == "\\xc2\\x9b2J\xC2\xA0\xC2");
  CHECK(without_controls("").empty());
  CHECK(printable("\x1B\xC3\xA4 a", 4) == "\\x1b\\xc3\\xa4 ...");
}

TEST_CASE("the first characters of a text are whole, and of bytes that are none as many as may be") {
  CHECK(first_characters("as it is", 8) == "as it is");
  CHECK(first_characters("\xC3\xA4\xF0\x9F\x98\x80", 5) == "\xC3\xA4");
  CHECK(first_characters("\xC3\xA4\xF0\x9F\x98\x80", 6).size() == 6);
  CHECK(first_characters(std::string(20, '\x80'), 10).size() == 10);
}

TEST_CASE("an excerpt ends between characters") {
  CHECK(excerpt("short", 5) == "short");
  CHECK(excerpt("longer", 5) == "longe…");
  CHECK(excerpt("\xC3\xA4\xC3\xA4", 3) == "\xC3\xA4…");
  CHECK(excerpt("\xE2\x82\xAC", 2) == "…");
  CHECK(excerpt("", 0).empty());
}
