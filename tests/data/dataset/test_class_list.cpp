#include "data/dataset/class_list.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"

using namespace rtdetr;

TEST_CASE("equal lists map one to one, also when a name stands twice") {
  const ClassMapping mapping = map_classes({{"a", "b", "a"}, {7, 3, 9}}, {"a", "b", "a"}, "x.json");
  CHECK(mapping.index_of == std::vector<std::int32_t>{0, 1, 2});
  CHECK(mapping.classes.category_ids == std::vector<std::int64_t>{7, 3, 9});
  CHECK(mapping.absent.empty());
}

TEST_CASE("permuted lists map by name, and the ids go along") {
  const ClassMapping mapping = map_classes({{"a", "b", "c"}, {10, 20, 30}}, {"c", "a", "b"}, "x.json");
  CHECK(mapping.index_of == std::vector<std::int32_t>{1, 2, 0});
  CHECK(mapping.classes.names == std::vector<std::string>{"c", "a", "b"});
  CHECK(mapping.classes.category_ids == std::vector<std::int64_t>{30, 10, 20});
}

TEST_CASE("wanted classes that the file lacks get ids that it does not use") {
  const std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  const ClassMapping mapping = map_classes({{"b"}, {largest}}, {"a", "b", "c"}, "x.json");
  CHECK(mapping.absent == std::vector<std::string>{"a", "c"});
  CHECK(mapping.classes.category_ids == std::vector<std::int64_t>{largest - 1, largest, largest - 2});
}

TEST_CASE("an empty file maps to anything") {
  CHECK(map_classes({}, {}, "x.json").classes.names.empty());
  CHECK(map_classes({}, {"a"}, "x.json").absent == std::vector<std::string>{"a"});
}

TEST_CASE("classes of the file that are not wanted have no index") {
  const ClassMapping mapping = map_classes({{"z", "a", "b"}, {1, 2, 3}}, {"a", "c"}, "x.json");
  CHECK(mapping.index_of == std::vector<std::int32_t>{kUnwantedClass, 0, kUnwantedClass});
  CHECK(mapping.classes.names == std::vector<std::string>{"a", "c"});
  CHECK(mapping.absent == std::vector<std::string>{"c"});
}

TEST_CASE("of many names a message has the first ten and how many more there are") {
  CHECK(quoted_names({"a", "b"}) == "'a', 'b'");
  CHECK(quoted_names(std::vector<std::string>(10, "a")).ends_with("'a', 'a'"));
  CHECK(quoted_names(std::vector<std::string>(12, "a")).ends_with("'a', and 2 more"));
}

TEST_CASE("names that stand twice are ambiguous, which is refused") {
  CHECK_THROWS_AS(map_classes({{"a", "a"}, {1, 2}}, {"a"}, "x.json"), DataError);
  CHECK_THROWS_AS(map_classes({{"a", "b"}, {1, 2}}, {"a", "b", "b"}, "x.json"), DataError);
}
