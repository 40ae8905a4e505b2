#include "core/video/video_writer.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <system_error>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/read_only_file.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

constexpr std::int64_t kMpeg4Clock = 65535;  ///< ticks a second that MPEG-4 can have

fs::path beside(const fs::path& target, const char* end) {
  return target.parent_path() / (target.stem().string() + end);
}

std::string text_of(const Ratio& ratio) { return std::to_string(ratio.num) + "/" + std::to_string(ratio.den); }

bool encodes_h264(const VideoPrograms& programs) {
  constexpr double kLongest = 30;
  return run_to_end(programs.ffmpeg, {"-hide_banner", "-encoders"}, kLongest).text.find(" libx264 ") !=
         std::string::npos;
}

/// As fast as what sits beside a detector must be, and so good that a second encoding is hard to see.
Words encoder(bool h264, const VideoWriterOptions& options) {
  if (!h264) return {"-c:v", "mpeg4", "-q:v", "3", "-pix_fmt", "yuv420p"};
  // Colours at half the size need even sides.
  const bool even = options.width % 2 == 0 && options.height % 2 == 0;
  return {"-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", even ? "yuv420p" : "yuv444p"};
}

Words words(const VideoWriterOptions& options, bool h264, const fs::path& file) {
  Ratio rate = options.rate;
  if (!h264 && rate.num > kMpeg4Clock) rate = {std::llround(rate.value() * 60), 60};
  Words words{"-nostdin",
              "-hide_banner",
              "-loglevel",
              "error",
              "-y",
              "-f",
              "rawvideo",
              "-pix_fmt",
              "rgb24",
              "-video_size",
              std::to_string(options.width) + "x" + std::to_string(options.height),
              "-framerate",
              text_of(rate)};
  if (options.by_clock) words.insert(words.end(), {"-use_wallclock_as_timestamps", "1"});
  words.insert(words.end(), {"-i", "pipe:0", "-vf",
                             "scale=out_color_matrix=bt709:out_range=tv,setsar=" + text_of(options.pixel_aspect)});
  for (std::string& word : encoder(h264, options)) words.push_back(std::move(word));
  words.insert(words.end(), {"-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range",
                             "tv", "-f", "mp4", "file:" + file.string()});
  return words;
}

void rename_to(const fs::path& from, const fs::path& to) {
  std::error_code fault;
  fs::rename(from, to, fault);
  if (fault) throw IoError(to.string() + ": " + errno_words(fault.value()) + "; the video is " + from.string());
}

}  // namespace

VideoWriter::VideoWriter(VideoPrograms programs, fs::path target, const VideoWriterOptions& options)
    : programs_(std::move(programs)),
      target_(std::move(target)),
      part_(beside(target_, ".part.mp4")),
      options_(options) {
  ffmpeg_ = std::make_unique<PipedProgram>(programs_.ffmpeg, words(options_, encodes_h264(programs_), part_),
                                           PipedProgram::Pipe::kItsInput);
}

VideoWriter::~VideoWriter() {
  if (!ffmpeg_) return;
  try {
    close();
  } catch (const Error&) {  // what led here is told already
  }
  std::error_code ignored;
  if (written_ == 0) fs::remove(part_, ignored);
}

void VideoWriter::write(const Picture& frame) {
  RTDETR_CHECK(frame.width == options_.width && frame.height == options_.height, "a frame of another size");
  try {
    ffmpeg_->write(frame.rgb, options_.silence_s);
  } catch (const IoError& error) {
    throw IoError(target_.string() + ": " + error.what());
  }
  ++written_;
}

void VideoWriter::close() {
  const std::unique_ptr<PipedProgram> ffmpeg = std::move(ffmpeg_);
  const int code = ffmpeg->finish(options_.silence_s);
  if (code != 0)
    throw IoError(target_.string() + ": ffmpeg ended with code " + std::to_string(code) +
                  "; it says: " + ffmpeg->last_words());
}

std::string VideoWriter::add_sound(const fs::path& to, const char* codec, bool whole,
                                   const std::function<bool()>& stop) const {
  constexpr double kLongestCopy = 3600, kShare = 0.01, kFrames = 1.5;  // so much out of time is none
  const double seconds = static_cast<double>(written_) / options_.rate.value();
  const double amiss = std::abs(options_.length_s - seconds);
  Words words{"-nostdin", "-hide_banner", "-loglevel", "error", "-y"};
  if (whole && options_.length_s > 0 && amiss > std::max(kShare * seconds, kFrames / options_.rate.value()))
    words.insert(words.end(), {"-itsscale", fixed(options_.length_s / seconds, 6)});
  words.insert(words.end(), {"-protocol_whitelist", "file", "-i", "file:" + part_.string()});
  for (std::string& word : options_.sound->input()) words.push_back(std::move(word));
  words.insert(words.end(), {"-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", codec});
  if (!whole) words.insert(words.end(), {"-t", fixed(seconds, 6)});
  words.insert(words.end(), {"-f", "mp4", "file:" + to.string()});
  const ProgramOutput output = run_to_end(programs_.ffmpeg, std::move(words), kLongestCopy, stop);
  if (output.stopped) return "it was stopped while that was added";
  if (output.code == 0) return "";
  return output.last_words.empty() ? "ffmpeg ended with code " + std::to_string(output.code)
                                   : "ffmpeg says: " + output.last_words;
}

std::string VideoWriter::finish(bool whole) {
  close();
  std::string words;
  if (options_.sound && written_ > 0) {
    // Where the video was stopped itself, what there is of it gets its sound.
    const std::function<bool()> stop = options_.stop && !options_.stop() ? options_.stop : nullptr;
    const fs::path sounding = beside(target_, ".sound.part.mp4");
    for (const char* codec : {"copy", "aac"}) {
      words = add_sound(sounding, codec, whole, stop);
      if (!words.empty()) continue;
      rename_to(sounding, target_);
      std::error_code ignored;
      fs::remove(part_, ignored);
      return "";
    }
    std::error_code ignored;
    fs::remove(sounding, ignored);
  }
  rename_to(part_, target_);
  return words.empty() ? "" : target_.string() + " has no sound; " + words;
}

}  // namespace rtdetr
