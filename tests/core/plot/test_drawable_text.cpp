#include <catch2/catch.hpp>

#include "core/plot/draw.h"
#include "core/plot/drawable_text.h"

using namespace rtdetr;

TEST_CASE("Latin letters are drawn without their marks, and ASCII as it is") {
  CHECK(drawable_text("traffic light 2~") == "traffic light 2~");
  CHECK(drawable_text("Käfer, Straße, Ægir, œuf, smørrebrød, þing") ==
        "Kafer, Strasse, AEgir, oeuf, smorrebrod, thing");
  CHECK(drawable_text("łódź Žižkov İğde ŷ Ŀ ſ") == "lodz Zizkov Igde y L s");
  CHECK(drawable_text("ÀÿĀĳŉŸ") == "AyAijnY");
  CHECK(drawable_text("Ka\u0308fer\u00a01") == "Kafer 1");  // a mark of its own, a space that holds
}

TEST_CASE("what cannot be drawn shows once per character") {
  CHECK(drawable_text("") == "");
  CHECK(drawable_text("赤血球.jpg") == "???.jpg");
  CHECK(drawable_text("a\tb\x7f") == "a?b?");
  CHECK(drawable_text("\xe4\x80\xff\x80") == "??");
  CHECK(drawable_text("\x80-") == "?-");
}

TEST_CASE("a class whose name cannot be drawn is called by its index, a score behind it stays") {
  CHECK(drawable_name("Käfer 0.93", 3) == "Kafer 0.93");
  CHECK(drawable_name("赤血球", 0) == "class 0");
  CHECK(drawable_name("赤血球 0.93", 3) == "class 3 0.93");
  CHECK(drawable_name("red 赤 cell 血液 0.93", 12) == "class 12 0.93");
  CHECK(drawable_name("", 3) == "");
}

TEST_CASE("a name that is too long keeps both ends") {
  CHECK(shortened("", 20) == "");
  CHECK(shortened("twenty letters are ok", 21) == "twenty letters are ok");
  CHECK(shortened("traffic light, turned to the left", 20) == "traffic l...the left");
  CHECK(shortened("abcdefgh", 4) == "a...");
  CHECK(shortened("abcdefgh", 3) == "abc");
  CHECK(shortened("abcdefgh", 0) == "");
}

TEST_CASE("two classes whose names cannot be drawn have different plates") {
  const auto drawn = [](std::int64_t label, const char* text) {
    Picture picture(200, 100);
    draw_boxes(picture, std::vector<DrawnBox>{{20, 40, 180, 90, label, text}});
    return picture.rgb;
  };
  CHECK((drawn(1, "赤血球 0.93") == drawn(1, "class 1 0.93")));
  CHECK((drawn(1, "赤血球 0.93") != drawn(16, "白血球 0.93")));  // colours of 1 and 16 are one
}
