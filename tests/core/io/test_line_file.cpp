#include "core/io/line_file.h"

#include <catch2/catch.hpp>
#include <string>

#include "core/base/error.h"
#include "core/io/file.h"
#include "tests/support/captured_stderr.h"
#include "tests/support/file_size_limit.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Catch::Matchers::Contains;
using test::TemporaryFolder;

TEST_CASE("lines that the disk does not take are told of once, wait and are written with a later one") {
  const TemporaryFolder folder;
  const std::string first(997, 'x');  // what is told has room below the limit, too
  LineFile file(folder / "log");
  file.append(first + "\n");
  const std::string told = test::stderr_of([&] {
    const test::FileSizeLimit limit(1000);
    file.append("two\n");  // half of it fits
    file.append("three\n");
    CHECK_THROWS_WITH(file.flush(), Contains("EFBIG") && Contains("8 bytes of it wait in memory"));
  });
  CHECK_THAT(told, Contains("log': ") && Contains("EFBIG") && Contains("its lines wait in memory"));
  CHECK(told.find('\n') + 1 == told.size());
  CHECK(read_text_file(folder / "log") == first + "\ntw");
  file.append("four\n");
  CHECK(read_text_file(folder / "log") == first + "\ntwo\nthree\nfour\n");
}

TEST_CASE("lines that wait are written at the latest when the file is closed") {
  const TemporaryFolder folder;
  test::stderr_of([&] {
    LineFile file(folder / "log");
    file.append(std::string(1000, 'x'));
    const test::FileSizeLimit limit(1000);
    file.append("one\n");
  });
  CHECK(read_text_file(folder / "log") == std::string(1000, 'x') + "one\n");
}

TEST_CASE("more lines than a run should hold in memory are an I/O error") {
  test::stderr_of([] {
    LineFile full("/dev/full");
    full.append(std::string(std::size_t{16} << 20, 'x'));
    CHECK_THROWS_AS(full.append("x"), IoError);
  });
}

TEST_CASE("a file of lines that cannot be opened is refused with its name") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(LineFile(folder / "missing/log"), Contains("missing/log") && Contains("ENOENT"));
}
