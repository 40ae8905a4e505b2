#include "train/commands/picture_sources.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>

#include <catch2/catch.hpp>

#include "core/base/descriptor.h"
#include "core/base/error.h"
#include "tests/support/captured_stderr.h"
#include "tests/support/home_folder.h"
#include "tests/support/stand_in_ffmpeg.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

/// A folder with b.jpg, a.PNG, notes.txt (a list), more/c.jpeg; gone with the test.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("rtdetr-sources-" + std::to_string(::getpid()));
  Folder() {
    fs::create_directories(path / "more");
    for (const char* name : {"b.jpg", "a.PNG", "more/c.jpeg"}) std::ofstream(path / name) << "x";
    std::ofstream(path / "notes.txt") << "b.jpg\r\n\n" << (path / "more/c.jpeg").string() << "\n";
  }
  ~Folder() { fs::remove_all(path); }
};

}  // namespace

TEST_CASE("a folder means its own pictures by name, without hidden ones") {
  const Folder folder;
  std::ofstream(folder.path / "._b.jpg") << "x";
  CHECK(list_pictures(folder.path.string()) == std::vector<fs::path>{folder.path / "a.PNG", folder.path / "b.jpg"});
}

TEST_CASE("a picture means itself, a list its lines, a pattern its matches") {
  const Folder folder;
  const fs::path b = folder.path / "b.jpg", c = folder.path / "more/c.jpeg";
  CHECK(list_pictures(b.string()) == std::vector<fs::path>{b});
  CHECK(list_pictures((folder.path / "notes.txt").string()) == std::vector<fs::path>{b, c});
  CHECK(list_pictures((folder.path / "*").string()) == std::vector<fs::path>{folder.path / "a.PNG", b});
  for (const char* name : {"more/d.webp", "more/e.BMP", "more/f.tif", "more/g.Tiff"})
    std::ofstream(folder.path / name) << "x";
  CHECK(list_pictures((folder.path / "more").string()).size() == 5);
}

TEST_CASE("hidden files and other formats in a source are left out, named and counted by kind") {
  const Folder folder;
  for (const char* name : {"._b.jpg", "c.GIF", "d.gif", "e.heic", ".DS_Store"})
    std::ofstream(folder.path / name) << "x";
  std::ofstream(folder.path / "notes.txt") << "._b.jpg\nb.jpg\n";
  const std::vector<fs::path> pictures{folder.path / "a.PNG", folder.path / "b.jpg"};
  const auto listed = [&](const fs::path& source, const std::vector<fs::path>& expected) {
    return test::stderr_of([&] { CHECK(list_pictures(source.string()) == expected); });
  };
  const std::string log = listed(folder.path, pictures);
  CHECK_THAT(log, Contains("hidden_file") && Contains("._b.jpg") && !Contains("DS_Store"));
  CHECK_THAT(log, Contains("2 × unsupported_format: GIF pictures are not read; convert them to JPEG or PNG (") &&
                      Contains("unsupported_format: HEIC pictures"));
  CHECK_THAT(listed(folder.path / "*", pictures), Contains("GIF") && !Contains("hidden_file"));
  CHECK_THAT(listed(folder.path / "notes.txt", {folder.path / "b.jpg"}), Contains("hidden_file"));
}

TEST_CASE("a list may come from another editor: byte order mark, backslashes, comments, the home folder") {
  const Folder folder;
  const test::HomeFolder home(folder.path.c_str());
  const fs::path b = folder.path / "b.jpg", c = folder.path / "more/c.jpeg";
  std::ofstream(folder.path / "notes.txt") << "\xEF\xBB\xBF# mine\r\nb.jpg\r\nmore\\c.jpeg\r\n~/b.jpg\r\n";
  CHECK(list_pictures((folder.path / "notes.txt").string()) == std::vector<fs::path>{b, c, b});
  std::ofstream(folder.path / "notes.txt") << std::string(
      "\xFF\xFE"
      "b\0",
      4);
  CHECK_THROWS_WITH(list_pictures((folder.path / "notes.txt").string()), Contains("UTF-16"));
}

TEST_CASE("two stars stand for any number of folders, hidden ones and circles left out") {
  const Folder folder;
  for (const char* name : {"more/deep/er", "more/.hidden", "with space"}) fs::create_directories(folder.path / name);
  for (const char* name : {"more/deep/er/d.jpg", "more/.hidden/no.jpg", "more/._c.jpg", "with space/[x] (1).jpg"})
    std::ofstream(folder.path / name) << "x";
  fs::create_directory_symlink(folder.path, folder.path / "more/circle");
  fs::create_directory_symlink(folder.path / "more/deep", folder.path / "linked");
  const auto found = [&](const std::string& pattern) {
    std::vector<std::string> names;
    for (const fs::path& picture : list_pictures((folder.path / pattern).string()))
      names.push_back(picture.lexically_relative(folder.path).string());
    return names;
  };
  using Names = std::vector<std::string>;
  CHECK(found("**/*.jpg") == Names{"b.jpg", "linked/er/d.jpg", "more/deep/er/d.jpg", "with space/[x] (1).jpg"});
  CHECK(found("more/**/*.jp*g") == Names{"more/c.jpeg", "more/deep/er/d.jpg"});
  CHECK(found("more/**/**/er/*") == Names{"more/deep/er/d.jpg"});
  CHECK(found("**/er/**") == Names{"linked/er/d.jpg", "more/deep/er/d.jpg"});
  CHECK(found("more/**") == Names{"more/c.jpeg", "more/deep/er/d.jpg"});
  CHECK(found("more/.hid*/*") == Names{"more/.hidden/no.jpg"});
  CHECK(found("with space/[[]x*") == Names{"with space/[x] (1).jpg"});
  fs::rename(folder.path / "with space", folder.path / "[2024]");
  CHECK(found("[2024]/*.jpg") == Names{"[2024]/[x] (1).jpg"});
}

TEST_CASE("a pattern may begin in the working folder") {
  const Folder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path);
  const auto here = list_pictures("**/*.jp*g"), below = list_pictures("./more/*");
  fs::current_path(before);
  CHECK(here == std::vector<fs::path>{"b.jpg", "more/c.jpeg"});
  CHECK(below == std::vector<fs::path>{"./more/c.jpeg"});
}

TEST_CASE("a pattern that nothing matches, or no picture, is refused") {
  const Folder folder;
  CHECK_THROWS_WITH(list_pictures((folder.path / "**/*.gif").string()), Contains("nothing matches this pattern"));
  CHECK_THROWS_WITH(list_pictures((folder.path / "nowhere/**").string()), Contains("nothing matches this pattern"));
  CHECK_THROWS_WITH(list_pictures((folder.path / "b.jpg/*").string()), Contains("nothing matches this pattern"));
  CHECK_THROWS_WITH(list_pictures((folder.path / "*.txt").string()), Contains("no .jpg"));
}

TEST_CASE("a source without pictures is refused with its name") {
  const Folder folder;
  fs::create_directory(folder.path / "empty");
  CHECK_THROWS_WITH(list_pictures((folder.path / "empty").string()), Contains("empty") && Contains("no .jpg"));
  fs::create_directory(folder.path / "empty/below");
  CHECK_THROWS_WITH(list_pictures((folder.path / "empty").string()),
                    Contains("empty/**' looks into the folders below"));
  CHECK_THROWS_WITH(list_pictures("/nowhere/at-all.jpg"), Contains("no such file or folder"));
  CHECK_THROWS_WITH(list_pictures("rtsp://camera/1"), Contains("only files"));
  const std::string misspelt = (folder.path / "empti").string();
  for (const char* end : {"", "/"})
    CHECK_THROWS_WITH(list_pictures(misspelt + end), Contains("did you mean '" + (folder.path / "empty").string()));
}

TEST_CASE("several sources with commas between are read one after the other") {
  const Folder folder;
  const std::string place = folder.path.string();
  const fs::path b = folder.path / "b.jpg", c = folder.path / "more/c.jpeg";
  CHECK(list_pictures(place + "/more," + place + "/notes.txt, " + place + "/*.jpg,") ==
        std::vector<fs::path>{c, b, c, b});
  CHECK_THROWS_WITH(list_pictures(b.string() + ",/nowhere/x.jpg," + place + "/*.gif"),
                    Contains("source=/nowhere/x.jpg: there is no such") && Contains("*.gif: nothing matches"));
}

TEST_CASE("a name or a pattern that has a comma itself means what it names") {
  const Folder folder;
  const fs::path file = folder.path / "a,b.jpg";
  std::ofstream(file) << "x";
  CHECK(list_pictures(file.string()) == std::vector<fs::path>{file});
  CHECK(list_pictures((folder.path / "a,*").string()) == std::vector<fs::path>{file});
}

TEST_CASE("what comes through standard input is a picture, or else a list of them") {
  const Folder folder;
  const auto piped = [&](const std::string& bytes) {
    std::ofstream(folder.path / "input", std::ios::binary) << bytes;
    const Descriptor input(::open((folder.path / "input").c_str(), O_RDONLY));
    return predicted_pictures("-", input.number());
  };
  const std::string picture("\xFF\xD8\xFF\xE0\0\x10JFIF", 10), b = (folder.path / "b.jpg").string();
  const PredictedPictures one = piped(picture);
  CHECK(one.files == std::vector<fs::path>{"-"});
  CHECK(one.piped.size() == 10);
  const PredictedPictures list = piped("# mine\r\n" + b + "\r\nno/such.png\n");
  CHECK(list.files == std::vector<fs::path>{b, "no/such.png"});
  CHECK(list.piped.empty());
  CHECK(piped(std::string(100000, 'x') + "\n" + b).files.size() == 2);
  CHECK_THROWS_WITH(piped(""), Contains("nothing came through standard input"));
  CHECK_THROWS_WITH(piped("\n# no\n"), Contains("names no picture"));
  CHECK(predicted_pictures(b).files == std::vector<fs::path>{b});
}

TEST_CASE("predict's sources may be videos, cameras and streams, wherever pictures may be named") {
  const Folder folder;
  const test::TemporaryFolder programs;
  test::stand_ins(programs.path(), "exit 0", "{}");
  ::setenv("RTDETR_FFMPEG", programs.path().c_str(), 1);
  const std::string place = folder.path.string(), b = place + "/b.jpg", clip = place + "/clip.MP4";
  for (const char* name : {"clip.MP4", "._clip.mp4", "more/d.mkv"}) std::ofstream(folder.path / name) << "x";
  std::ofstream(folder.path / "notes.txt") << "b.jpg\nclip.MP4\nrtsp://camera/1\nmissing.mp4\n";
  const auto videos = [](const std::string& source) {
    std::vector<std::string> places;
    for (const VideoSource& video : predicted_pictures(source).videos) places.push_back(video.place);
    return places;
  };
  using Places = std::vector<std::string>;
  CHECK(videos(clip) == Places{clip});
  CHECK(videos(place) == Places{clip});
  CHECK(predicted_pictures(place).files.size() == 2);
  CHECK(videos(place + "/**") == Places{clip, place + "/more/d.mkv"});
  CHECK(videos(place + "/notes.txt") == Places{clip, "rtsp://camera/1", place + "/missing.mp4"});
  CHECK(predicted_pictures(place + "/notes.txt").files == std::vector<fs::path>{b});
  CHECK(videos(b + ",0,rtsp://camera/2") == Places{"/dev/video0", "rtsp://camera/2"});
  CHECK(videos("http://host/a,b/c.mp4?d=1,2") == Places{"http://host/a,b/c.mp4?d=1,2"});
  CHECK(videos("rtsp://camera/1," + clip + ",rtsp://camera/2") == Places{"rtsp://camera/1", clip, "rtsp://camera/2"});
  std::ofstream(folder.path / "cameras.txt") << "7\n";
  CHECK(videos(place + "/cameras.txt") == Places{"/dev/video7"});
  std::ofstream(folder.path / "code.ts") << "export {}\n";
  std::ofstream(folder.path / "film.ts") << "G packets";
  std::ofstream(folder.path / "film.mts") << "timeG packets";
  CHECK(videos(place + "/*.*ts") == Places{place + "/film.mts", place + "/film.ts"});
  for (const char* name : {"code.ts", "film.ts", "film.mts"}) fs::remove(folder.path / name);
  CHECK_THROWS_WITH(predicted_pictures(place + "/no.mp4"), Contains("no such file or folder"));
  CHECK_THROWS_WITH(predicted_pictures("ftp://host/a.mp4"), Contains("not ftp"));
  CHECK_THROWS_WITH(predicted_pictures("https://me:secret@host/a.JPG?d=1"),
                    Contains("curl -s 'https://host/a.JPG?d=1' | rtdetr predict source=-") && !Contains("secret"));
  CHECK(videos("http://host/view?file=a.jpg") == Places{"http://host/view?file=a.jpg"});
  CHECK_THROWS_WITH(list_pictures("rtsp://camera/1"), Contains("only files"));
  CHECK(list_pictures(place).size() == 2);
  ::setenv("RTDETR_FFMPEG", "/nowhere", 1);
  CHECK_THROWS_WITH(predicted_pictures(clip), Contains("apt-get install ffmpeg"));
  CHECK_THROWS_WITH(predicted_pictures("0"), Contains("apt-get install ffmpeg"));
  const std::string log = test::stderr_of([&] { CHECK(predicted_pictures(place).files.size() == 2); });
  CHECK_THAT(log, Contains("videos are read where ffmpeg is installed") && Contains("clip.MP4"));
  ::unsetenv("RTDETR_FFMPEG");
}

TEST_CASE("pictures of one name in several folders get results of different names") {
  CHECK(unique_stems({"x/a.jpg", "y/a.png", "z/b.jpg", "w/a.jpg"}) == std::vector<std::string>{"a", "a-2", "b", "a-3"});
  CHECK(unique_stems({"x/a.jpg", "a-2.jpg", "y/a.jpg", "z/a.jpg"}) ==
        std::vector<std::string>{"a", "a-2", "a-3", "a-4"});
  CHECK(unique_stems({"-"}) == std::vector<std::string>{"stdin"});
  const auto clip = [](const char* place) { return VideoSource{VideoSource::Kind::kFile, place}; };
  CHECK(unique_stems({"clip.jpg"}, {clip("clip.mp4"), clip("b/clip.mp4")}) ==
        std::vector<std::string>{"clip", "clip-2", "clip-3"});
  CHECK(unique_stems({"clip_1.jpg", "b_x.jpg"}, {clip("clip.mp4"), clip("b.mp4")}) ==
        std::vector<std::string>{"clip_1", "b_x", "clip-2", "b"});
}

TEST_CASE("names of results fit a file's name, cut between characters, and stay different") {
  const std::string longest(251, 'x');
  CHECK(written_stem(longest) == longest);
  CHECK(written_stem(longest + "y") == longest);
  CHECK(written_stem(longest, "-2") == std::string(249, 'x') + "-2");
  CHECK(written_stem(std::string(250, 'x') + "ä.") == std::string(250, 'x'));
  CHECK(unique_stems({}, {{VideoSource::Kind::kFile, longest + ".mp4"}}) ==
        std::vector<std::string>{std::string(227, 'x')});
  CHECK(unique_stems({longest + ".jpg", longest + "y.x", "a/" + longest + ".png"}) ==
        std::vector<std::string>{longest, std::string(249, 'x') + "-2", std::string(249, 'x') + "-3"});
}
