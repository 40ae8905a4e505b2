#include "core/video/video_facts.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/video/video_programs.h"
#include "core/video/video_source.h"
#include "tests/support/stand_in_ffmpeg.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Catch::Matchers::Contains;
using Kind = VideoSource::Kind;

TEST_CASE("a video's facts are those of its frames as they are displayed") {
  const VideoFacts facts = parse_video_facts(R"({"streams": [
      {"codec_type": "audio", "r_frame_rate": "0/0"},
      {"codec_type": "video", "width": 300, "height": 300, "disposition": {"attached_pic": 1}},
      {"codec_type": "video", "width": 720, "height": 576, "sample_aspect_ratio": "16:11", "color_space": "bt470bg",
       "r_frame_rate": "30/1", "avg_frame_rate": "30000/1001", "nb_frames": "60",
       "side_data_list": [{"rotation": 90}]}]})",
                                             "a.mp4");
  CHECK(facts.width == 576);
  CHECK(facts.height == 720);
  CHECK(facts.turned == 270);
  CHECK(facts.pixel_aspect == Ratio{11, 16});
  CHECK(facts.rate == Ratio{30000, 1001});
  CHECK(facts.frames == 60);
  CHECK(facts.counted);
  CHECK(facts.has_sound);
  CHECK(facts.names_colours);
}

TEST_CASE("where a container does not count frames its length and rate do, and a camera has no end") {
  const std::string video = R"("codec_type": "video", "width": 64, "height": 48, "r_frame_rate": "90000/1", )";
  const auto facts = [&](const std::string& more, const std::string& end) {
    return parse_video_facts("{\"streams\": [{" + video + more + "}]" + end + "}", "a.mkv");
  };
  const VideoFacts file = facts(R"("avg_frame_rate": "25/2")", R"(, "format": {"duration": "4.0"})");
  CHECK(file.frames == 50);
  CHECK_FALSE(file.counted);
  CHECK_FALSE(file.has_sound);
  CHECK_FALSE(file.names_colours);
  CHECK(file.seconds == 4);
  CHECK_FALSE(file.own_length);
  const VideoFacts tagged = facts(R"("avg_frame_rate": "25/2", "tags": {"DURATION": "00:01:02.500000000"})",
                                  R"(, "format": {"duration": "80.0"})");  // the sound goes on for longer
  CHECK(tagged.seconds == 62.5);
  CHECK(tagged.own_length);
  CHECK(facts(R"("duration": "8.5")", "").seconds == 8.5);
  for (const char* odd : {"", "later", "00:-1:00", "0:0:1e300", "nan"})
    CHECK(facts(R"("tags": {"DURATION": ")" + std::string(odd) + R"("})", R"(, "format": {"duration": "4"})").seconds ==
          4);
  const VideoFacts camera = facts(R"("avg_frame_rate": "0/0")", "");
  CHECK(camera.frames == 0);
  CHECK(camera.rate == Ratio{25, 1});
}

TEST_CASE("what has no video in it, or frames without pixels, is refused") {
  CHECK_THROWS_WITH(parse_video_facts(R"({"streams": [{"codec_type": "audio"}]})", "a.mp3"),
                    Contains("a.mp3: there is no video in it"));
  CHECK_THROWS_WITH(parse_video_facts(R"({"streams": [{"codec_type": "video", "width": 0, "height": 9}]})", "a.mp4"),
                    Contains("frames of 0x9 pixels"));
  CHECK_THROWS_WITH(
      parse_video_facts(R"({"streams": [{"codec_type": "video", "width": 99999999999, "height": 9}]})", "a.mp4"),
      Contains("pixels"));
  CHECK_THROWS_WITH(parse_video_facts("ffprobe: not found", "a.mp4"), Contains("no JSON"));
}

TEST_CASE("addresses and devices are streams and cameras, numbers are cameras, all else may be a file") {
  CHECK(live_source("rtsp://cam/ch1")->kind == Kind::kStream);
  CHECK(live_source("HTTPS://host/clip.mp4")->kind == Kind::kStream);
  CHECK(live_source("0")->place == "/dev/video0");
  CHECK(live_source("/dev/video2")->kind == Kind::kCamera);
  for (const char* text : {"clip.mp4", "0.jpg", "1234", "-", ""}) CHECK_FALSE(live_source(text));
  CHECK_THROWS_WITH(live_source("ftp://host/clip.mp4"),
                    Contains("rtsp, rtsps, rtmp, http and https") && Contains("not ftp"));
  CHECK_THROWS_WITH(live_source("ftp://me:secret@host/clip.mp4"), Contains("source=ftp://host/clip.mp4:"));
}

TEST_CASE("an input is read as what it is, whatever its name looks like") {
  const auto input = [](Kind kind, const char* place) { return VideoSource{kind, place}.input(); };
  using Words = std::vector<std::string>;
  CHECK(input(Kind::kFile, "-i.mp4") == Words{"-protocol_whitelist", "file", "-i", "file:-i.mp4"});
  CHECK(input(Kind::kFile, "http://a.mp4") == Words{"-protocol_whitelist", "file", "-i", "file:http://a.mp4"});
  CHECK(input(Kind::kCamera, "/dev/video0") == Words{"-f", "v4l2", "-i", "/dev/video0"});
  CHECK(input(Kind::kStream, "rtmp://a/b") == Words{"-protocol_whitelist", "rtmp,tcp", "-i", "rtmp://a/b"});
}

TEST_CASE("results are named after the source, and a password is not shown") {
  const auto stem = [](Kind kind, const char* place) { return VideoSource{kind, place}.stem(); };
  CHECK(stem(Kind::kFile, "a/b.c.mp4") == "b.c");
  CHECK(stem(Kind::kCamera, "/dev/video0") == "video0");
  CHECK(stem(Kind::kStream, "rtsp://me:secret@cam:554/live/ch1?x=/y") == "ch1");
  CHECK(stem(Kind::kStream, "http://host/clip.mp4?token=1") == "clip");
  CHECK(stem(Kind::kStream, "rtsp://me:secret@10.0.0.1/") == "10.0.0.1");
  const VideoSource source{Kind::kStream, "rtsp://me:se@cret@cam/ch1"};
  CHECK(source.shown() == "rtsp://cam/ch1");
  CHECK(source.without_password("rtsp://me:se@cret@cam/ch1: refused") == "rtsp://cam/ch1: refused");
  CHECK(without_passwords("a@b.mp4,rtsp://me:se,c@ret@cam,http://you:x@host/a@b") ==
        "a@b.mp4,rtsp://cam,http://host/a@b");
}

TEST_CASE("a video is told by its name, or by its first bytes where the name says nothing") {
  const test::TemporaryFolder folder;
  std::ofstream(folder / "ftyp", std::ios::binary) << std::string(
      "\0\0\0\x18"
      "ftypisom\0\0\0\0isommp42",
      24);
  std::ofstream(folder / "matroska", std::ios::binary) << "\x1A\x45\xDF\xA3 and so on";
  std::ofstream(folder / "heic", std::ios::binary) << std::string(
      "\0\0\0\x18"
      "ftypheic\0\0\0\0mif1heic",
      24);
  std::ofstream(folder / "text") << "no video";
  CHECK(is_video_file("not/there.MP4"));
  CHECK(is_video_file(folder / "ftyp"));
  CHECK(is_video_file(folder / "matroska"));
  for (const char* name : {"heic", "text", "missing"}) CHECK_FALSE(is_video_file(folder / name));
}

TEST_CASE("without ffmpeg it is said where it was looked for, and what to install") {
  const test::TemporaryFolder folder;
  ::setenv("RTDETR_FFMPEG", (folder / "ffmpeg").c_str(), 1);
  CHECK_FALSE(has_video_programs());
  CHECK_THROWS_AS(find_video_programs(), ConfigError);
  CHECK_THROWS_WITH(find_video_programs(), Contains("not where RTDETR_FFMPEG=" + (folder / "ffmpeg").string()) &&
                                               Contains("apt-get install ffmpeg"));
  test::stand_ins(folder.path(), "exit 0", "{}");
  CHECK(find_video_programs().ffprobe == folder / "ffprobe");
  ::setenv("RTDETR_FFMPEG", folder.path().c_str(), 1);
  CHECK(find_video_programs().ffmpeg == folder / "ffmpeg");
  ::unsetenv("RTDETR_FFMPEG");
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", "/nowhere", 1);
  CHECK_THROWS_WITH(find_video_programs(), Contains("in no folder of PATH"));
  ::setenv("PATH", ("/nowhere:" + folder.path().string()).c_str(), 1);
  CHECK(find_video_programs().ffmpeg == folder / "ffmpeg");
  ::setenv("PATH", path.c_str(), 1);
}
