#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <limits>

#include "core/base/text.h"

using namespace rtdetr;

TEST_CASE("the nearest word is found through typing mistakes") {
  const std::vector<std::string> keys = {"epochs", "batch", "lr0", "imgsz", "workers", "ema"};
  CHECK(nearest_word("epoches", keys) == "epochs");
  CHECK(nearest_word("ecpohs", keys) == "epochs");
  CHECK(nearest_word("Batch", keys) == "batch");
  CHECK(nearest_word("bacht", keys) == "batch");
  CHECK(nearest_word("img_sz", keys) == "imgsz");
  CHECK(nearest_word("lr", keys) == "lr0");
  CHECK(nearest_word("eam", keys) == "ema");  // one swap of neighbours, not two replacements
  CHECK(did_you_mean("epoches", keys) == "; did you mean 'epochs'?");
}

TEST_CASE("the nearest word is found whatever its case") {
  const std::vector<std::string> words = {"adamw", "sgd", "Conv"};
  CHECK(nearest_word("SGD", words) == "sgd");
  CHECK(nearest_word("AdamW", words) == "adamw");
  CHECK(nearest_word("CONV", words) == "Conv");
}

TEST_CASE("a word far from all others gets no suggestion") {
  const std::vector<std::string> keys = {"epochs", "batch"};
  CHECK_FALSE(nearest_word("quantise", keys));
  CHECK_FALSE(nearest_word("", keys));
  CHECK_FALSE(nearest_word(std::string(100'000, 'e'), keys));
  CHECK(did_you_mean("quantise", keys).empty());
  CHECK_FALSE(nearest_word("epochs", std::vector<std::string>{}));
}

TEST_CASE("a double is written with the fewest digits that read back the same") {
  CHECK(format_double(0.1) == "0.1");
  CHECK(format_double(1.0) == "1");
  CHECK(format_double(100000.0) == "100000");
  CHECK(format_double(1e-4) == "0.0001");
  CHECK(format_double(-0.0) == "-0");
  CHECK(format_double(1e-5) == "0.00001");
  CHECK(format_double(9e-6) == "9e-06");
  CHECK(format_double(1e15) == "1000000000000000");
  CHECK(format_double(1e16) == "1e+16");
  CHECK(format_double(1e300) == "1e+300");
  CHECK(format_double(std::nan("")) == "nan");
  CHECK(format_double(-std::numeric_limits<double>::infinity()) == "-inf");
  for (const double value : {0.1 + 0.2, 1.0 / 3, 5e-324, std::numeric_limits<double>::max(), -123456.789, 1e15 + 0.5}) {
    CHECK(parse_double(format_double(value)) == value);
  }
}

TEST_CASE("a number is accepted only as a whole") {
  CHECK(parse_double("1e-4") == 1e-4);
  CHECK(parse_double("+.5") == 0.5);
  CHECK(parse_double("5.") == 5.0);
  CHECK(std::isnan(parse_double("nan").value()));
  for (const char* text :
       {"", " 1", "1 ", "1x", "0x10", "1,5", "--1", "+-1", "1e999", "nan(1)", "infinity", "e", "+"}) {
    INFO(text);
    CHECK_FALSE(parse_double(text));
  }
  CHECK(parse_integer("-42") == -42);
  CHECK(parse_integer("+42") == 42);
  CHECK(parse_integer("9223372036854775807") == std::numeric_limits<long long>::max());
  for (const char* text : {"", "1.0", "9223372036854775808", "1e3", "0x1", "+", "++1", "4 2"}) {
    INFO(text);
    CHECK_FALSE(parse_integer(text));
  }
}

TEST_CASE("text is split, trimmed and joined") {
  CHECK(split("a,b,,c", ',') == std::vector<std::string>{"a", "b", "", "c"});
  CHECK(split("", ',') == std::vector<std::string>{""});
  CHECK(trim(" \t a b \r\n") == "a b");
  CHECK(trim(" \n ").empty());
  CHECK(join(std::vector<std::string>{"a", "b"}, ", ") == "a, b");
  CHECK(join(std::vector<std::string>{}, ", ").empty());
}

TEST_CASE("a byte order mark is no part of a text, and UTF-16 is told from bytes") {
  using namespace std::string_view_literals;
  CHECK(without_byte_order_mark("\xEF\xBB\xBF"
                                "a") == "a");
  CHECK(without_byte_order_mark("a") == "a");
  CHECK(without_byte_order_mark("").empty());
  CHECK(wide_encoding("\xFF\xFE"
                      "a\0"sv) == "UTF-16");
  CHECK(wide_encoding("\xFE\xFF\0a"sv) == "UTF-16");
  CHECK(wide_encoding("\xFF\xFE\0\0a\0\0\0"sv) == "UTF-32");
  CHECK(wide_encoding("a\0b\0\n\0"sv) == "UTF-16");
  CHECK(wide_encoding("\0a\0b"sv) == "UTF-16");
  for (const std::string_view text : {""sv, "a"sv, "0 0.5"sv, "\0\0\0\0"sv, "a\0bc"sv, "\xFF\xD8\xFF"sv, "a\0"sv}) {
    CHECK(wide_encoding(text).empty());
  }
}

TEST_CASE("large numbers and durations are written for people") {
  CHECK(with_thousands(32970476) == "32,970,476");
  CHECK(with_thousands(999) == "999");
  CHECK(with_thousands(-1000) == "-1,000");
  CHECK(with_thousands(-999) == "-999");
  CHECK(counted(1, "step") == "1 step");
  CHECK(counted(0, "step") == "0 steps");
  CHECK(counted(1200, "step") == "1,200 steps");
  CHECK(format_duration(3723) == "1:02:03");
  CHECK(format_duration(75) == "1:15");
  CHECK(format_duration(0.4) == "0:00");
  CHECK(format_duration(-5) == "0:00");
  CHECK(format_duration(360000) == "100:00:00");
  CHECK(format_duration(std::nan("")) == "--:--");
}

TEST_CASE("a word for the shell is quoted where it must be") {
  CHECK(shell_word("runs/train/exp-2/best.safetensors") == "runs/train/exp-2/best.safetensors");
  CHECK(shell_word("Fäule/a=b,c") == "Fäule/a=b,c");
  CHECK(shell_word("my data/set.yaml") == "'my data/set.yaml'");
  CHECK(shell_word("it's $HOME; rm *") == "'it'\\''s $HOME; rm *'");
  CHECK(shell_word("~/x") == "'~/x'");
  CHECK(shell_word("") == "''");
}

TEST_CASE("COCO's undefined value is a dash") {
  CHECK(fixed_or_dash(-1, 3) == "-");
  CHECK(fixed_or_dash(std::nan(""), 3) == "-");
  CHECK(fixed_or_dash(0, 3) == "0.000");
  CHECK(fixed(0.66549, 3) == "0.665");
}

TEST_CASE("numbers are written in so many digits as printf writes them") {
  for (const double value : {0.0, -0.0, 0.5, 2.5, -1.005, 0.6649999, 1e-7, 123456.789, 9.9999995e5, 1e15, -3e300}) {
    char text[512];
    for (const int digits : {0, 1, 3, 6}) {
      std::snprintf(text, sizeof text, "%.*f", digits, value);
      CHECK(fixed(value, digits) == text);
    }
    std::snprintf(text, sizeof text, "%.6g", value);
    CHECK(format_short(value) == text);
    std::snprintf(text, sizeof text, "%.2g", value);
    CHECK(two_digits(value) == text);
  }
}
