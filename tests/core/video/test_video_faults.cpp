// ffmpeg that dies, hangs or lies: scripts in its place.
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <filesystem>
#include <string>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/io/file.h"
#include "core/video/frames_ahead.h"
#include "core/video/video_reader.h"
#include "core/video/video_writer.h"
#include "tests/support/stand_in_ffmpeg.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

/// Shell: frames of 4 x 2 pixels, each of one byte.
const std::string kThreeFrames = "for i in a b c; do printf '%024d' 0 | tr 0 $i; done; ";

const VideoSource kClip{VideoSource::Kind::kFile, "clip.mp4"};

bool has_no_child() { return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD; }

int frames_of(VideoReader& reader) {
  Picture frame;
  int count = 0;
  while (reader.next(frame)) ++count;
  return count;
}

VideoWriterOptions small_frames() {
  VideoWriterOptions options;
  options.width = 4, options.height = 2;
  return options;
}

}  // namespace

TEST_CASE("frames come in order, into memory that is used again, and then there are no more") {
  const test::TemporaryFolder folder;
  VideoReader reader(test::stand_ins(folder.path(), kThreeFrames, test::small_video(3)), kClip);
  Picture frame;
  REQUIRE(reader.next(frame));
  const std::uint8_t* memory = frame.rgb.data();
  CHECK(frame.rgb == std::vector<std::uint8_t>(24, 'a'));
  REQUIRE(reader.next(frame));
  CHECK(frame.rgb == std::vector<std::uint8_t>(24, 'b'));
  CHECK(frame.rgb.data() == memory);
  CHECK(reader.next(frame));
  CHECK_FALSE(reader.next(frame));
  CHECK_FALSE(reader.next(frame));
  CHECK(reader.given() == 3);
  CHECK(reader.fault().empty());
  CHECK(has_no_child());
}

TEST_CASE("ffmpeg that dies in the middle costs the rest, and its last words are told") {
  const test::TemporaryFolder folder;
  const std::string words = "for i in 1 2 3 4 5; do echo \"line $i\" >&2; done; ";
  VideoReader reader(test::stand_ins(folder.path(), kThreeFrames + words + "printf rest; exit 3", test::small_video(9)),
                     kClip);
  CHECK(frames_of(reader) == 3);
  CHECK(reader.fault() ==
        "clip.mp4: 3 frames of 9 could be decoded; ffmpeg ended with code 3; ffmpeg says: line 3; line 4; line 5");
  VideoReader killed(test::stand_ins(folder.path(), kThreeFrames + "kill -9 $$", test::small_video(9)), kClip);
  CHECK(frames_of(killed) == 3);
  CHECK_THAT(killed.fault(), Contains("ffmpeg was ended by signal 9"));
  const std::string much = "head -c 60000 /dev/zero | tr '\\0' x >&2; echo >&2; echo why >&2; exit 1";
  VideoReader talking(test::stand_ins(folder.path(), kThreeFrames + much, test::small_video(9)), kClip);
  CHECK(frames_of(talking) == 3);
  CHECK_THAT(talking.fault(), Contains("; why"));
}

TEST_CASE("a broken frame is counted when ffmpeg complains; a header that counts too many alone is none") {
  const test::TemporaryFolder folder;
  VideoReader broken(test::stand_ins(folder.path(), kThreeFrames + "echo broken >&2", test::small_video(4)), kClip);
  CHECK(frames_of(broken) == 3);
  CHECK(broken.fault() == "clip.mp4: 3 frames of 4 could be decoded; ffmpeg says: broken");
  VideoReader cut(test::stand_ins(folder.path(), kThreeFrames, test::small_video(4)), kClip);
  CHECK(frames_of(cut) == 3);
  CHECK(cut.fault().empty());
  VideoReader none(test::stand_ins(folder.path(), "exit 0", test::small_video(4)), kClip);
  CHECK(frames_of(none) == 0);
  CHECK(none.fault() == "clip.mp4: no frame could be decoded");
}

TEST_CASE("frames of another size than the video's are refused") {
  const test::TemporaryFolder folder;
  VideoReader reader(test::stand_ins(folder.path(), kThreeFrames + "printf rest", test::small_video(3)), kClip);
  CHECK_THROWS_WITH(frames_of(reader), Contains("clip.mp4: ffmpeg gave 4 bytes that are no frame of 4x2"));
  CHECK_THROWS_WITH(VideoReader(test::stand_ins(folder.path(), "exit 0", test::small_video(3)), kClip, {1, 7, 60}),
                    Contains("4x2 = 8 pixels; at most max_pixels=7"));
}

TEST_CASE("ffmpeg that hangs is ended when its time is up, and ffprobe, too") {
  const test::TemporaryFolder folder;
  const std::string hang = "echo busy >&2; while :; do sleep 0.05; done";
  VideoReader reader(test::stand_ins(folder.path(), kThreeFrames + hang, test::small_video(9)), kClip, {1, 100, 0.5});
  const Stopwatch watch;
  CHECK_THROWS_WITH(frames_of(reader), Contains("clip.mp4: ffmpeg gave nothing for") && Contains("it says: busy"));
  CHECK(watch.seconds() < 5);
  CHECK(reader.given() == 3);
  CHECK(has_no_child());
  const VideoPrograms programs = test::stand_ins(folder.path(), "exit 0", "");
  write_text_atomically(programs.ffprobe, "#!/bin/sh\n" + hang + "\n");
  fs::permissions(programs.ffprobe, fs::perms::owner_all);
  CHECK_THROWS_WITH(VideoReader(programs, kClip, {1, 100, 0.5}), Contains("clip.mp4: ffprobe did not end within"));
  write_text_atomically(programs.ffprobe, "#!/bin/sh\necho rtsp://me:secret@cam/1: slow >&2; exec sleep 60\n");
  fs::permissions(programs.ffprobe, fs::perms::owner_all);
  CHECK_THROWS_WITH(VideoReader(programs, {VideoSource::Kind::kStream, "rtsp://me:secret@cam/1"}, {1, 100, 0.5}),
                    Contains("rtsp://cam/1: ffprobe did not end within") && Contains("says: rtsp://cam/1: slow"));
  CHECK(has_no_child());
}

TEST_CASE("ffprobe that goes on and on is ended when its time is up, or when it is to stop") {
  const test::TemporaryFolder folder;
  const VideoPrograms programs = test::stand_ins(folder.path(), "exit 0", "");
  write_text_atomically(programs.ffprobe, "#!/bin/sh\nwhile :; do echo x; sleep 0.05; done\n");
  fs::permissions(programs.ffprobe, fs::perms::owner_all);
  CHECK_THROWS_WITH(VideoReader(programs, kClip, {1, 100, 0.5}), Contains("ffprobe did not end within"));
  const Stopwatch watch;
  const auto stop = [&] { return watch.seconds() > 0.2; };
  CHECK_THROWS_WITH(VideoReader(programs, kClip, {1, 100, 60, stop}), Contains("clip.mp4: stopped"));
  CHECK(watch.seconds() < 5);
  CHECK(has_no_child());
}

TEST_CASE("of a camera whose frames are mostly passed over the next one may take its time") {
  const test::TemporaryFolder folder;
  const VideoPrograms programs = test::stand_ins(folder.path(), "sleep 1; " + kThreeFrames, test::small_video(0));
  VideoReader reader(programs, kClip, {100, 100, 0.2});
  CHECK(frames_of(reader) == 3);
  VideoReader impatient(programs, kClip, {1, 100, 0.2});
  CHECK_THROWS_WITH(frames_of(impatient), Contains("ffmpeg gave nothing for"));
}

TEST_CASE("a reader that goes away in the middle leaves no process behind") {
  const test::TemporaryFolder folder;
  {
    const std::string endless = "echo $$ > '" + (folder / "pid").string() + "'; while :; do " + kThreeFrames + "done";
    VideoReader reader(test::stand_ins(folder.path(), endless, test::small_video(9)), kClip);
    FramesAhead frames(reader, 1, 4, false);
    CHECK(frames.next()->number == 1);
    CHECK(frames.next([] { return false; })->number == 2);
    CHECK_FALSE(frames.next([] { return true; }));
  }
  CHECK(has_no_child());
  CHECK_FALSE(
      fs::exists("/proc/" + read_text_file(folder / "pid").substr(0, read_text_file(folder / "pid").find('\n'))));
}

TEST_CASE("frames ahead of a file are all there, with their numbers, and what goes wrong comes behind them") {
  const test::TemporaryFolder folder;
  VideoReader reader(test::stand_ins(folder.path(), kThreeFrames + "printf rest", test::small_video(3)), kClip);
  FramesAhead frames(reader, 5, 1, false);
  for (const int number : {1, 6, 11}) CHECK(frames.next()->number == number);
  CHECK_THROWS_AS(frames.next(), DataError);
  CHECK_FALSE(frames.next());
  CHECK(frames.passed_over() == 0);
}

TEST_CASE("of a camera the newest frame is seen, however slow one is") {
  const test::TemporaryFolder folder;
  VideoReader reader(test::stand_ins(folder.path(), kThreeFrames, test::small_video(0)), kClip);
  FramesAhead frames(reader, 1, 1, true);
  while (frames.passed_over() < 2) ::usleep(1000);
  const auto frame = frames.next();
  REQUIRE(frame);
  CHECK(frame->number == 3);
  CHECK(frame->picture.rgb[0] == 'c');
  CHECK_FALSE(frames.next());
}

TEST_CASE("an encoder that dies or hangs is told with its last words, and leaves no file without frames") {
  const test::TemporaryFolder folder;
  const fs::path target = folder / "out.mp4";
  const Picture frame(4, 2);
  const auto writing = [&](const std::string& script) {
    const VideoPrograms programs =
        test::stand_ins(folder.path(), "case \"$*\" in *-encoders*) exit 0;; esac; " + script, "");
    VideoWriterOptions options = small_frames();
    options.silence_s = 0.5;
    VideoWriter writer(programs, target, options);
    for (int i = 0; i < 100000; ++i) writer.write(frame);
    writer.finish();
  };
  CHECK_THROWS_WITH(writing("head -c 48 >/dev/null; echo 'No space left on device' >&2; exit 1"),
                    Contains(target.string() + ": ffmpeg takes no more") && Contains("No space left on device"));
  CHECK_THROWS_WITH(writing("while :; do sleep 0.05; done"), Contains("ffmpeg took nothing for"));
  CHECK_THROWS_WITH(writing("cat >/dev/null; echo late >&2; exit 1"), Contains("ended with code 1; it says: late"));
  CHECK_FALSE(fs::exists(target));
  CHECK(has_no_child());
  const std::string file = (folder / "out.part.mp4").string();
  { const VideoWriter none(test::stand_ins(folder.path(), "cat > '" + file + "'", ""), target, small_frames()); }
  CHECK_FALSE(fs::exists(file));
}

TEST_CASE("what was written before a fault stays under a name that says so") {
  const test::TemporaryFolder folder;
  const std::string file = (folder / "out.part.mp4").string();
  {
    VideoWriter writer(test::stand_ins(folder.path(), "cat > '" + file + "'", ""), folder / "out.mp4", small_frames());
    writer.write(Picture(4, 2));
  }
  CHECK(fs::file_size(file) == 24);
  CHECK_FALSE(fs::exists(folder / "out.mp4"));
}
