#include "core/base/written_path.h"

#include <catch2/catch.hpp>

#include "tests/support/data_files.h"
#include "tests/support/home_folder.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;

TEST_CASE("a tilde alone or before a slash is the home folder") {
  const test::HomeFolder home("/home/somebody");
  CHECK(expand_home("~") == "/home/somebody");
  CHECK(expand_home("~/sets/a.yaml") == "/home/somebody/sets/a.yaml");
  for (const char* text : {"", "a", "./~", "~somebody/a", "a/~/b", "/~"}) CHECK(expand_home(text) == text);
}

TEST_CASE("without a home folder a tilde stays") {
  const test::HomeFolder home(nullptr);
  CHECK(expand_home("~/a") == "~/a");
}

TEST_CASE("backslashes part names where nothing has the name as written") {
  const test::TemporaryFolder folder;
  test::write_file(folder / "sub/a.txt", "");
  test::write_file(folder / "sub\\b.txt", "");
  test::write_file(folder / "sub/b.txt", "");
  CHECK(find_written_path(folder.path(), "sub\\a.txt") == folder / "sub/a.txt");
  CHECK(find_written_path(folder.path(), ".\\sub\\a.txt") == folder / "sub/a.txt");
  CHECK(find_written_path(folder.path(), "sub\\b.txt") == folder / "sub\\b.txt");
  CHECK(find_written_path(folder.path(), "sub\\c.txt") == folder / "sub\\c.txt");
  CHECK(find_written_path(folder.path(), "./sub/../sub/a.txt") == folder / "sub/a.txt");
  CHECK(find_written_path("/elsewhere", (folder / "sub/a.txt").string()) == folder / "sub/a.txt");
}
