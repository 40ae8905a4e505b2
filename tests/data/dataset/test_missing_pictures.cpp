#include "data/dataset/missing_pictures.h"

#include <catch2/catch.hpp>
#include <string>

#include "core/base/error.h"
#include "tests/support/coco_files.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Catch::Matchers::Contains;

namespace {

/// What is found out about a picture that annotations call `wanted`, in a folder 'images' that has `there`.
std::string whereabouts(const std::string& wanted, const std::string& there) {
  const test::TemporaryFolder folder;
  test::write_small_picture(folder / "images" / there, 8, 8, 1);
  Dataset dataset;
  dataset.pictures.push_back({.file = folder / "images" / wanted, .readable = false});
  std::string text = whereabouts_of_missing(dataset);
  const std::string root = folder.path().string() + "/";
  for (std::size_t at = text.find(root); at != std::string::npos; at = text.find(root)) text.erase(at, root.size());
  return text;
}

}  // namespace

TEST_CASE("a missing picture that is there under nearly its name is told") {
  CHECK(whereabouts("a.jpg", "a.png") == "; 1 is there with another suffix ('a.jpg' as images/a.png)");
  CHECK_THAT(whereabouts("a", "a.png"), Contains("another suffix ('a' as images/a.png)"));
  CHECK_THAT(whereabouts("a.b", "a.b.png"), Contains("another suffix ('a.b' as images/a.b.png)"));
  CHECK_THAT(whereabouts("IMG_1.jpg", "img_1.jpg"), Contains("another letter case ('IMG_1.jpg' as images/img_1.jpg)"));
  CHECK_THAT(whereabouts("images/a.png", "a.png"), Contains("in another folder ('a.png' as images/a.png)"));
  CHECK_THAT(whereabouts("a.png", "train/a.png"), Contains("in another folder ('a.png' as images/train/a.png)"));
  CHECK_THAT(whereabouts("C:\\data\\a.png", "a.png"), Contains("'\\' ('C:\\data\\a.png' as images/a.png)"));
}

TEST_CASE("names in one piece and in several are recognised as the same letters") {
  CHECK_THAT(whereabouts("caf\u00e9 1.png", "cafe\u0301 1.png"), Contains("macOS"));
  CHECK_THAT(whereabouts("cafe\u0301 1.png", "caf\u00e9 1.png"), Contains("macOS"));
  CHECK_THAT(whereabouts("\uac01 1.png", "\u1100\u1161\u11a8 1.png"), Contains("macOS"));  // Hangul
  CHECK_THAT(whereabouts("\u304c.png", "\u304b\u3099.png"), Contains("macOS"));            // Kana
  CHECK(whereabouts("caf\u00e9 1.png", "caf\u00e8 1.png").empty());
}

TEST_CASE("of a picture that is nowhere nothing is told") {
  CHECK(whereabouts("a.jpg", "b.jpg").empty());
  CHECK(whereabouts("a.jpg", "a.txt.png").empty());
  CHECK(whereabouts("nowhere/a.jpg", "b.jpg").empty());
}

TEST_CASE("an error about missing pictures says where they are") {
  const test::TemporaryFolder folder;
  test::write_small_picture(folder / "images/1.png", 64, 48, 1);
  test::write_file(folder / "a.json",
                   R"({"images":[{"id":1,"file_name":"images/1.png","width":64,"height":48}],"annotations":[],)"
                   R"("categories":[{"id":1,"name":"cat"}]})");
  CHECK_THROWS_WITH(test::load_coco(folder / "a.json", folder / "images"),
                    Contains("missing_picture") &&
                        Contains("1 is in another folder ('1.png' as " + (folder / "images/1.png").string()));
}
