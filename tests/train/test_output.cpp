#include "train/output.h"

#include <catch2/catch.hpp>

using namespace rtdetr;

TEST_CASE("columns line up, text to the left and numbers to the right") {
  TextTable table({{"class", TextTable::Align::kLeft}, {"AP"}});
  table.add({"RBC", "0.5"});
  table.add({"Thrombozyten", "-"});
  CHECK(table.text() ==
        "  class          AP\n"
        "  RBC           0.5\n"
        "  Thrombozyten    -\n");
}

TEST_CASE("a letter of several bytes takes one column") {
  TextTable table({{"name", TextTable::Align::kLeft}, {"n"}});
  table.add({"Zähler", "1"});
  table.add({"Nenner", "2"});
  CHECK(table.text() == "  name    n\n  Zähler  1\n  Nenner  2\n");
}

TEST_CASE("a row may be shorter than the header, and no line ends in spaces") {
  TextTable table({{"a", TextTable::Align::kLeft}, {"b", TextTable::Align::kLeft}});
  table.add({"x"});
  CHECK(table.text() == "  a  b\n  x\n");
}

TEST_CASE("COCO's undefined value is a dash") {
  CHECK(fixed_or_dash(-1, 3) == "-");
  CHECK(fixed_or_dash(0, 3) == "0.000");
  CHECK(fixed(0.66549, 3) == "0.665");
}
