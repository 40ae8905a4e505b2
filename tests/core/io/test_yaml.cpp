#include <catch2/catch.hpp>
#include <cmath>
#include <string>

#include "core/base/error.h"
#include "core/base/random.h"
#include "core/io/file.h"
#include "core/io/yaml.h"
#include "core/io/yaml_writer.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Catch::Matchers::Contains;

namespace {

YamlNode parse(const std::string& text) { return parse_yaml(text, "t.yaml").root; }

std::string yaml_refusal(const std::string& text) {
  try {
    parse_yaml(text, "t.yaml");
  } catch (const ConfigError& fault) {
    return fault.what();
  }
  return "";
}

bool same(const YamlNode& a, const YamlNode& b) {
  if (a.kind != b.kind || a.scalar != b.scalar || a.items.size() != b.items.size() ||
      a.entries.size() != b.entries.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.items.size(); ++i) {
    if (!same(a.items[i], b.items[i])) return false;
  }
  for (std::size_t i = 0; i < a.entries.size(); ++i) {
    if (a.entries[i].key != b.entries[i].key || !same(a.entries[i].value, b.entries[i].value)) return false;
  }
  return true;
}

const char* const kModel = R"(# a model
nc: 80
scales: # comment
  l: [1.00, 1.00, 1024]

backbone:
  # [from, repeats, module, args]
  - [-1, 1, HGStem, [32, 48]] # 0-P2/4
  - [-1, 6, HGBlock, [48, 128, 3]]
  - [[-2, -1], 1, Concat, [1], encoder.0]
head:
  - [[21, 24], 1, RTDETRDecoder, [nc, {queries: 300, sampling: discrete}]]
name: "a, b"
empty:
)";

}  // namespace

TEST_CASE("a file becomes a tree that knows its lines") {
  const YamlNode root = parse(kModel);
  REQUIRE(root.is_map());
  REQUIRE(root.entries.size() == 6);
  CHECK(root.find("nc")->as_integer() == 80);
  CHECK(root.find("nc")->line == 2);
  CHECK(root.key_lines == std::vector<int>{2, 3, 6, 11, 13, 14});
  const YamlNode& backbone = *root.find("backbone");
  REQUIRE(backbone.items.size() == 3);
  CHECK(backbone.items[2].line == 10);
  CHECK(backbone.items[0].items[2].scalar == "HGStem");
  CHECK(backbone.items[2].items[0].items[1].as_integer() == -1);
  CHECK(root.find("name")->scalar == "a, b");
  CHECK(root.find("name")->quoted);
  CHECK(root.find("empty")->is_null());
  CHECK(root.find("empty")->line == 14);
  CHECK(parse("a:\n\n# comment\nb: 1\n").find("a")->line == 1);
  CHECK(parse("{a: , b: 1, c: }").find("a")->is_null());
  CHECK(parse("{\"ü\":}").find("ü")->is_null());
  CHECK(parse("a: # comment\n# comment\n").find("a")->is_null());
  CHECK(parse("? a\n: \n").find("a")->is_null());
  CHECK(parse("a: |\n  two\n  lines\n").find("a")->scalar == "two\nlines\n");
  CHECK(root.find("missing") == nullptr);
  const YamlDocument document = parse_yaml(kModel, "m.yaml");
  CHECK(document.where(document.root.find("backbone")->items[1]) == "m.yaml:9");
}

TEST_CASE("an empty file is nothing") {
  CHECK(parse("").is_null());
  CHECK(parse("# only a comment\n").is_null());
  CHECK(parse("---\n").is_null());
  CHECK(parse("\xEF\xBB\xBFnc: 1\n").find("nc") != nullptr);
}

TEST_CASE("plain text converts to numbers and truth values only as a whole") {
  CHECK(yaml_scalar("-3").as_integer() == -3);
  CHECK(yaml_scalar("1e-4").as_double() == 1e-4);
  CHECK(yaml_scalar("3").as_double() == 3.0);
  CHECK(std::isinf(yaml_scalar("-.inf").as_double().value()));
  CHECK(yaml_scalar("True").as_bool() == true);
  CHECK(yaml_scalar("false").as_bool() == false);
  for (const char* text : {"010", "-010", "00", "1_000", "0x10", "ten", "", "1.5x", "inf", "nan"}) {
    INFO(text);
    CHECK_FALSE(yaml_scalar(text).as_integer());
    CHECK_FALSE(yaml_scalar(text).as_double());
  }
  CHECK_FALSE(yaml_scalar("1.0").as_integer());
  CHECK_FALSE(yaml_scalar("yes").as_bool());
  CHECK_FALSE(yaml_scalar("1", true).as_integer());
  CHECK_FALSE(yaml_scalar("true", true).as_bool());
  CHECK(yaml_scalar("0").as_integer() == 0);
  CHECK(yaml_scalar("0.5").as_double() == 0.5);
}

TEST_CASE("values describe themselves for messages") {
  CHECK(parse("[1, 2, 3]").describe() == "a list of 3");
  CHECK(parse("[]").describe() == "an empty list");
  CHECK(parse("a: 1").describe() == "a map");
  CHECK(parse("text").describe() == "'text'");
  CHECK(parse("~").describe() == "nothing");
  CHECK(parse("[-1, 1, Conv, [256, 1, 1], {a: 'x, y'}]").to_flow() == "[-1, 1, Conv, [256, 1, 1], {a: \"x, y\"}]");
}

TEST_CASE("a written tree reads back the same") {
  const YamlNode root = parse(kModel);
  const std::string text = write_yaml(root);
  INFO(text);
  CHECK(same(parse(text), root));
  CHECK_THAT(text, Contains("\n  - [-1, 6, HGBlock, [48, 128, 3]]\n"));
}

TEST_CASE("any text survives being written, as value and as key") {
  std::vector<std::string> texts = {
      "",     " lead", "trail ", "a: b", "a #b", "#",   "-",    "- a",   "?",   "a,b", "[x]",   "{x}",   "\"q\"", "'q'",
      "null", "~",     "a\nb",   "\t",   "\x01", "..",  "...",  "---",   "<<",  "*a",  "&a",    "!a",    "|",     ">",
      "%a",   "@a",    "`a",     "a:",   ":a",   "a:b", "ü€😀",  "C:\\x", "\\n", "-1",  "... x", "--- x", "\r",    "-a",
      ".5",   "/a/b",  "a b c",  "\x7f", "=",    "+",   "a  b", "- ",    "-.",  "a-",  "_",     "~a"};
  Random random(3, RandomPurpose::kSubstitute, 0, 0);
  const std::string alphabet = "ab01 :-,#[]{}&*!|>'\"%@`?\\\n~.=<+_/";
  for (int i = 0; i < 300; ++i) {
    std::string text;
    for (std::uint64_t n = random.below(6); n > 0; --n) text += alphabet[random.below(alphabet.size())];
    texts.push_back(text);
  }
  for (const std::string& text : texts) {
    YamlNode list, map, root;
    list.kind = YamlNode::Kind::kSequence;
    list.items = {yaml_scalar(text), yaml_scalar(text)};
    map.kind = root.kind = YamlNode::Kind::kMap;
    map.entries = {{text == "<<" ? "x" : text, list}};
    root.entries = {{"list", list}, {"map", map}, {"text", yaml_scalar(text)}, {"quoted", yaml_scalar(text, true)}};
    const std::string written = write_yaml(root);
    INFO(written);
    REQUIRE(same(parse(written), root));
  }
}

TEST_CASE("what a configuration must not contain is refused with its line") {
  CHECK_THAT(yaml_refusal("a: 1\nb: &x 2\n"), Contains("t.yaml:2:") && Contains("anchor"));
  CHECK_THAT(yaml_refusal("a: &x [*x]\n"), Contains("t.yaml:1:") && Contains("anchor"));
  CHECK_THAT(yaml_refusal("a: 1\nb: *x\n"), Contains("t.yaml:2:"));
  CHECK_THAT(yaml_refusal("a: !!python/object:os.system 1\n"), Contains("t.yaml:1:") && Contains("tags"));
  CHECK_THAT(yaml_refusal("a: !x {b: 1}\n"), Contains("tags"));
  CHECK_THAT(yaml_refusal("a: !x [b]\n"), Contains("tags"));
  CHECK_THAT(yaml_refusal("a: ! b\n"), Contains("tags"));
  CHECK_THAT(yaml_refusal("a: !!str 010\n"), Contains("tags"));
  CHECK_THAT(yaml_refusal("a: {}\n<<: {b: 1}\n"), Contains("t.yaml:2:") && Contains("merge"));
  CHECK_THAT(yaml_refusal("a: 1\nb: 2\na: 3\n"), Contains("t.yaml:3: key 'a'") && Contains("first on line 1"));
  CHECK_THAT(yaml_refusal("x: {a: 1, a: 2}\n"), Contains("t.yaml:1: key 'a'"));
  CHECK_THAT(yaml_refusal("a: 1\n---\nb: 2\n"), Contains("second document"));
  CHECK_THAT(yaml_refusal("? [a, b]\n: 1\n"), Contains("where a key belongs"));
  CHECK_THAT(yaml_refusal("? {a: b}\n: 1\n"), Contains("where a key belongs"));
  CHECK_THAT(yaml_refusal(": 1\n"), Contains("a key is missing"));
  CHECK_THAT(yaml_refusal("~: 1\n"), Contains("a key is missing"));
}

TEST_CASE("broken text is refused with its line") {
  CHECK_THAT(yaml_refusal("a: [1, 2\nb: 3\n"), Contains("t.yaml:") && Contains("not valid YAML"));
  CHECK_THAT(yaml_refusal("a: 1\n\tb: 2\n"), Contains("t.yaml:2:"));
  CHECK_THAT(yaml_refusal("a: b: c\n"), Contains("t.yaml:1:"));
  CHECK_THAT(yaml_refusal("a: \"open\n"), Contains("not valid YAML"));
  CHECK_THAT(yaml_refusal("{x:"), Contains("t.yaml:1:"));
  CHECK_THAT(yaml_refusal("a: [1, 2"), Contains("t.yaml:1:"));
  CHECK_THAT(yaml_refusal("[x"), Contains("is a bracket left open?"));
  CHECK_THAT(yaml_refusal("epochs: 72\nbatch\n"), Contains("t.yaml:2: key 'batch' lacks its ': '"));
  CHECK_THAT(yaml_refusal("{epochs:72}"), Contains("key 'epochs:72' lacks its ': '"));
  CHECK_THAT(yaml_refusal("{ü, b: 1}"), Contains("key 'ü' lacks its ': '"));
  CHECK_THAT(yaml_refusal("? a\n"), Contains("key 'a' lacks"));
  CHECK_THAT(yaml_refusal("# x\n%YAML 1.2\n---\na: 1\n"), Contains("directives"));
  CHECK_THAT(yaml_refusal("a: 1\nb: \xff\n"), Contains("t.yaml:2:") && Contains("UTF-8"));
  CHECK_THAT(yaml_refusal(std::string("a: \0b", 5)), Contains("UTF-8"));
  CHECK_THAT(yaml_refusal("\xff\xfe"
                          "a"),
             Contains("UTF-8"));
  CHECK_THAT(yaml_refusal("a: \xc3"), Contains("UTF-8"));
  for (const char* text : {"\xed\xa0\xbd", "\xc0\xaf", "\xf5\x80\x80\x80"})  // a surrogate, overlong, beyond the last
    CHECK_THAT(yaml_refusal(std::string("a: 1\nb: ") + text), Contains("t.yaml:2:") && Contains("UTF-8"));
}

TEST_CASE("slips of hand and editors' encodings are named beside what they lead to") {
  CHECK_THAT(yaml_refusal("path: .\ntrain:images\nval: b\n"),
             Contains("not valid YAML") && Contains("on line 2 'train:' lacks a blank behind it"));
  CHECK_THAT(yaml_refusal("names:\n\t- cat\n"), Contains("line 2 is indented with a tab"));
  CHECK_THAT(yaml_refusal("a: [1, 2\nb: 3\n"), !Contains("blank") && !Contains("tab"));
  CHECK_THAT(yaml_refusal("names: [\xba\xec]\n"), Contains("t.yaml:1:") && Contains("save the file as UTF-8"));  // GBK
}

TEST_CASE("size, depth and number of values are bounded") {
  std::string deep;
  for (int i = 0; i < 64; ++i) deep += '[';
  CHECK(parse(deep + std::string(64, ']')).is_sequence());
  CHECK_THAT(yaml_refusal("[" + deep + std::string(65, ']')), Contains("64 levels"));
  CHECK_THAT(yaml_refusal(std::string(100'000, '[')), Contains("t.yaml:1: "));
  CHECK_THAT(yaml_refusal(std::string(1 << 20, '{')), Contains("t.yaml:1"));
  std::string nested;
  for (int i = 0; i < 300; ++i) nested += std::string(i, ' ') + "a:\n";
  CHECK_THAT(yaml_refusal(nested), Contains("64 levels"));
  std::string wide = "[";
  for (int i = 0; i < 10'000; ++i) wide += "1,";
  CHECK_THAT(yaml_refusal(wide + "]"), Contains("more than 10,000 values"));
  CHECK_THAT(yaml_refusal(std::string((1 << 20) + 1, ' ')), Contains("1 MiB"));
}

TEST_CASE("a budget moves the bounds of size and number, not that of depth") {
  std::string wide = "[";
  for (int i = 0; i < 20'000; ++i) wide += "1,";
  const YamlBudget budget{.bytes = std::size_t{2} << 20, .values = 20'001};
  CHECK(parse_yaml(wide + "]", "t.yaml", budget).root.items.size() == 20'000);
  CHECK_THROWS_WITH(parse_yaml(wide + "1, 1]", "t.yaml", budget), Contains("more than 20,001 values"));
  CHECK(parse_yaml(std::string(2 << 20, ' '), "t.yaml", budget).root.is_null());
  CHECK_THROWS_WITH(parse_yaml(std::string((2 << 20) + 1, ' '), "t.yaml", budget), Contains("2 MiB"));
  const test::TemporaryFolder folder;
  write_text_atomically(folder / "large.yaml", std::string((2 << 20) + 2, ' '));
  CHECK_THROWS_AS(load_yaml(folder / "large.yaml", budget), ConfigError);
  CHECK_THROWS_WITH(load_yaml(folder / "large.yaml", budget), Contains("large.yaml:1: larger than 2 MiB"));
  CHECK_THROWS_WITH(parse_yaml(std::string(65, '[') + std::string(65, ']'), "t.yaml", budget), Contains("64 levels"));
}

TEST_CASE("text that is not UTF-8 but UTF-16 is named so") {
  CHECK_THAT(yaml_refusal(std::string("\xFF\xFE"
                                      "a\0:\0",
                                      6)),
             Contains("UTF-16; save it as UTF-8"));
}

TEST_CASE("an alias bomb costs nothing") {
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c <= 'i'; ++c) {
    bomb += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 9; ++i) bomb += std::string(i ? ", *" : "*") + static_cast<char>(c - 1);
    bomb += "]\n";
  }
  CHECK_THAT(yaml_refusal(bomb), Contains("t.yaml:1: anchor '&a'"));
}

TEST_CASE("no cut or changed file does worse than a refusal") {
  const std::string good = kModel;
  int taken = 0, refused = 0;
  const auto try_it = [&](const std::string& text) {
    try {
      parse_yaml(text, "t.yaml");
      ++taken;
    } catch (const ConfigError&) {
      ++refused;
    }
  };
  for (std::size_t length = 0; length <= good.size(); ++length) try_it(good.substr(0, length));
  Random random(4, RandomPurpose::kSubstitute, 0, 0);
  const std::string special = "[]{}:-?,&*!|>'\"%#@\n \t~<\x01\xff";
  for (int i = 0; i < 4000; ++i) {
    std::string text = good;
    for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
      text[random.below(text.size())] = special[random.below(special.size())];
    }
    try_it(text);
  }
  CHECK(taken > 0);
  CHECK(refused > 100);
}
