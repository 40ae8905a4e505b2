#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <catch2/catch.hpp>
#include <string>

#include "core/base/error.h"
#include "core/io/file.h"
#include "tests/support/file_size_limit.h"
#include "tests/support/plain_user.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Catch::Matchers::Contains;
using rtdetr::test::FileSizeLimit;
using rtdetr::test::TemporaryFolder;

namespace {

std::size_t count_entries(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
}

}  // namespace

TEST_CASE("the lines of a list come without blanks, byte order mark and carriage returns") {
  const TemporaryFolder folder;
  write_text_atomically(folder / "list.txt", "\xEF\xBB\xBF./a b.jpg \r\n\r\n\tc.jpg");
  CHECK(read_text_lines(folder / "list.txt") == std::vector<std::string>{"./a b.jpg", "", "c.jpg"});
  write_text_atomically(folder / "wide.txt", std::string("\xFF\xFE"
                                                         "a\0\n\0",
                                                         6));
  CHECK_THROWS_AS(read_text_lines(folder / "wide.txt"), DataError);
  CHECK_THROWS_WITH(read_text_lines(folder / "wide.txt"), Contains("wide.txt: the text is UTF-16; save it as UTF-8"));
  CHECK_THROWS_AS(read_text_lines(folder / "none.txt"), IoError);
}

TEST_CASE("a text written atomically reads back, with nothing left beside it") {
  const TemporaryFolder folder;
  write_text_atomically(folder / "a.txt", "one");
  write_text_atomically(folder / "a.txt", "two");
  CHECK(read_text_file(folder / "a.txt") == "two");
  CHECK(read_binary_file(folder / "a.txt").size() == 3);
  CHECK(count_entries(folder.path()) == 1);
}

TEST_CASE("the previous version stays under its own name") {
  const TemporaryFolder folder;
  const AtomicWriteOptions options = {.durable = true, .keep_previous = folder / "last-1"};
  for (const std::string text : {"one", "two", "three"}) {
    write_file_atomically(
        folder / "last", [&](FileSink& sink) { sink.write(text); }, options);
  }
  CHECK(read_text_file(folder / "last") == "three");
  CHECK(read_text_file(folder / "last-1") == "two");
  CHECK(count_entries(folder.path()) == 2);
}

TEST_CASE("keeping the previous version works when both names already mean one file") {
  const TemporaryFolder folder;
  write_text_atomically(folder / "last", "one");
  REQUIRE(::link((folder / "last").c_str(), (folder / "last-1").c_str()) == 0);
  write_file_atomically(folder / "last", [&](FileSink& sink) { sink.write(std::string_view("two")); },
                        {.keep_previous = folder / "last-1"});
  CHECK(read_text_file(folder / "last") == "two");
  CHECK(read_text_file(folder / "last-1") == "one");
  CHECK(count_entries(folder.path()) == 2);
}

TEST_CASE("a write that fails half way leaves the old file and no other, and says what was missing") {
  const TemporaryFolder folder;
  write_text_atomically(folder / "a.txt", "old");
  std::string message;
  {
    const FileSizeLimit limit(1000);
    try {
      write_text_atomically(folder / "a.txt", std::string(5000, 'x'));
    } catch (const IoError& fault) {
      message = fault.what();
    }
  }
  CHECK_THAT(message, Contains((folder / "a.txt").string()));
  CHECK_THAT(message, Contains("EFBIG"));
  CHECK_THAT(message, Contains("4,000 bytes more are needed"));
  CHECK_THAT(message, Contains("are free there"));
  CHECK_THAT(message, Contains("unchanged"));
  CHECK(read_text_file(folder / "a.txt") == "old");
  CHECK(count_entries(folder.path()) == 1);
}

TEST_CASE("an exception of the writer leaves the old file and no other") {
  const TemporaryFolder folder;
  write_text_atomically(folder / "a.txt", "old");
  CHECK_THROWS_AS(write_file_atomically(folder / "a.txt",
                                        [](FileSink& sink) {
                                          sink.write(std::string_view("half"));
                                          throw std::runtime_error("interrupted");
                                        }),
                  std::runtime_error);
  CHECK(read_text_file(folder / "a.txt") == "old");
  CHECK(count_entries(folder.path()) == 1);
}

TEST_CASE("a folder that does not exist, or a folder as target, is refused with the path") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(write_text_atomically(folder / "missing/a.txt", "x"), Contains("ENOENT"));
  std::filesystem::create_directory(folder / "sub");
  CHECK_THROWS_WITH(write_text_atomically(folder / "sub", "x"), Contains("EISDIR"));
  CHECK(count_entries(folder.path()) == 1);
}

TEST_CASE("a link in the target's place is replaced, not followed") {
  const TemporaryFolder folder;
  write_text_atomically(folder / "precious", "keep me");
  std::filesystem::create_symlink("precious", folder / "a.txt");
  write_text_atomically(folder / "a.txt", "new");
  CHECK(read_text_file(folder / "precious") == "keep me");
  CHECK(read_text_file(folder / "a.txt") == "new");
}

TEST_CASE("reading refuses what is no ordinary file, missing, or too large") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(read_text_file(folder / "missing"), Contains("missing") && Contains("No such file"));
  CHECK_THROWS_WITH(read_text_file(folder.path()), Contains("it is a folder"));
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK_THROWS_WITH(read_text_file(folder / "pipe"), Contains("not an ordinary file"));
  CHECK_THROWS_WITH(read_text_file("/dev/zero"), Contains("not an ordinary file"));
  write_text_atomically(folder / "large", std::string(2000, 'x'));
  CHECK_THROWS_WITH(read_text_file(folder / "large", 1999), Contains("2,000 bytes, at most 1,999"));
  CHECK_THROWS_WITH(read_text_file(std::string("a\0b", 3)), Contains("NUL"));
}

TEST_CASE("a file is looked at, whole, before it gets its name, and has none if what was seen does not please") {
  const TemporaryFolder folder;
  write_text_atomically(folder / "a.txt", "old");
  const auto write = [](FileSink& sink) { sink.write("new"); };
  const auto refuse = [&](const std::filesystem::path& temporary) {
    CHECK(temporary.parent_path() == folder.path());
    CHECK(read_text_file(temporary) == "new");
    CHECK(read_text_file(folder / "a.txt") == "old");
    throw DataError("not this one");
  };
  CHECK_THROWS_WITH(write_file_atomically(folder / "a.txt", write, {.verify = refuse}), "not this one");
  CHECK(read_text_file(folder / "a.txt") == "old");
  CHECK(count_entries(folder.path()) == 1);
  int looks = 0;
  write_file_atomically(folder / "a.txt", write, {.verify = [&](const auto&) { ++looks; }});
  CHECK(looks == 1);
  CHECK(read_text_file(folder / "a.txt") == "new");
}

TEST_CASE("leftovers of killed writers are removed, other files stay") {
  const TemporaryFolder folder;
  for (const char* name : {".last.safetensors.tmp-0123abcd4567cdef", "last.safetensors", ".tmp-note",
                           "x.tmp-0123abcd4567cdef", ".x.tmp-0123abcd", ".x.tmp-0123abcd4567cdeg"}) {
    write_text_atomically(folder / name, "x");
  }
  CHECK(remove_leftover_temporaries(folder.path()) == 1);
  CHECK(count_entries(folder.path()) == 5);
}

TEST_CASE("what a killed writer of one file left is removed, what a living one writes stays") {
  const TemporaryFolder folder;
  const pid_t killed = ::fork();
  if (killed == 0) {
    write_file_atomically(folder / "a.txt", [](FileSink&) {}, {.verify = [](const auto&) { ::raise(SIGKILL); }});
  }
  ::waitpid(killed, nullptr, 0);
  write_text_atomically(folder / ".b.txt.tmp-7fffffff00000000", "of another file, whose writer is gone");
  CHECK(count_entries(folder.path()) == 2);
  write_file_atomically(folder / "a.txt", [](FileSink&) {}, {.verify = [&](const auto& living) {
                          CHECK(remove_leftover_temporaries_of(folder / "a.txt") == 1);
                          CHECK(std::filesystem::exists(living));
                        }});
  CHECK(count_entries(folder.path()) == 2);
  CHECK(remove_leftover_temporaries_of(folder / "a.txt") == 0);
  CHECK(remove_leftover_temporaries_of(folder / "b.txt") == 1);
}

TEST_CASE("another user's process that lives keeps its temporary file") {
  const TemporaryFolder folder;
  std::filesystem::permissions(folder.path(), std::filesystem::perms::all);
  write_text_atomically(folder / ".a.txt.tmp-0000000100000000", "of process 1, which a plain user may not signal");
  const auto clean_up = [&] { return std::to_string(remove_leftover_temporaries_of(folder / "a.txt")); };
  CHECK(test::as_plain_user(clean_up) == "0");
  CHECK(count_entries(folder.path()) == 1);
}

TEST_CASE("a file of the longest name there is can be written") {
  const TemporaryFolder folder;
  const std::string name(255, 'n');
  write_text_atomically(folder / name, "x");
  CHECK(read_text_file(folder / name) == "x");
  CHECK(count_entries(folder.path()) == 1);
}

TEST_CASE("fresh folders get the first free number") {
  const TemporaryFolder folder;
  CHECK(make_fresh_folder(folder / "runs/train", "exp") == folder / "runs/train/exp");
  CHECK(make_fresh_folder(folder / "runs/train", "exp") == folder / "runs/train/exp-2");
  CHECK(make_fresh_folder(folder / "runs/train", "exp") == folder / "runs/train/exp-3");
}

TEST_CASE("who may enter a fresh folder, and read a file written atomically, is up to the umask") {
  const TemporaryFolder folder;
  const mode_t before = ::umask(0);
  for (const mode_t mask : {022, 002, 077}) {
    ::umask(mask);
    const auto fresh = make_fresh_folder(folder / "runs", "exp");
    write_text_atomically(fresh / "file", "x");
    struct stat status = {};
    CHECK((::stat(fresh.c_str(), &status) == 0 && (status.st_mode & 0777) == (0777 & ~mask)));
    CHECK((::stat((fresh / "file").c_str(), &status) == 0 && (status.st_mode & 0777) == (0666 & ~mask)));
  }
  ::umask(before);
}

TEST_CASE("a fresh folder that cannot be made is refused for the reason that its parent cannot") {
  const TemporaryFolder folder;
  write_text_atomically(folder / "file", "x");
  CHECK_THROWS_WITH(make_fresh_folder(folder / "file/runs", "exp"), Contains("file/runs': Not a directory (ENOTDIR)"));
}

TEST_CASE("a fresh folder never leaves its parent") {
  const TemporaryFolder folder;
  for (const std::string stem : {"", ".", "..", "../x", "a/../../x", "/tmp/x", "a/"}) {
    INFO(stem);
    CHECK_THROWS_AS(make_fresh_folder(folder / "runs", stem), ConfigError);
  }
  CHECK(count_entries(folder.path()) == 0);
}

TEST_CASE("a folder in the making gets its name when it is whole, and is gone otherwise") {
  const TemporaryFolder folder;
  {
    const FolderInMaking dropped(folder / "a");
    write_text_atomically(dropped / "file", "x");
    CHECK_FALSE(std::filesystem::exists(folder / "a"));
  }
  CHECK(count_entries(folder.path()) == 0);
  {
    FolderInMaking whole(folder / "a");
    write_text_atomically(whole / "file", "x");
    whole.publish();
  }
  CHECK(read_text_file(folder / "a/file") == "x");
  CHECK(count_entries(folder.path()) == 1);
}

TEST_CASE("a folder in the making does not replace one that came first") {
  const TemporaryFolder folder;
  {
    FolderInMaking late(folder / "a");
    write_text_atomically(late / "file", "late");
    make_folders(folder / "a");
    write_text_atomically(folder / "a/file", "first");
    CHECK_THROWS_WITH(late.publish(), Contains("what has that name is unchanged"));
  }
  CHECK(read_text_file(folder / "a/file") == "first");
  CHECK(count_entries(folder.path()) == 1);
}

TEST_CASE("folders that killed writers left go when the next one is made, a living writer's and another's stay") {
  const TemporaryFolder folder;
  for (const char* name : {".a.tmp-7fffffff00000000", ".b.tmp-7fffffff00000000"}) {
    make_folders(folder / name);
    write_text_atomically(folder / name / "file", "x");
  }
  const FolderInMaking living(folder / "a");
  FolderInMaking next(folder / "a");
  CHECK_FALSE(std::filesystem::exists(folder / ".a.tmp-7fffffff00000000"));
  next.publish();
  CHECK(std::filesystem::exists(living / ""));
  CHECK(count_entries(folder.path()) == 3);
}
