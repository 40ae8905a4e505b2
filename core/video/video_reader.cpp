#include "core/video/video_reader.h"

#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/text.h"

namespace rtdetr {
namespace {

constexpr int kTallest601 = 576;  ///< lines; taller videos that do not say store their colours by BT.709

/// The first of each `stride` frames, at one size though the video may change its own, timed by their numbers alone, so
/// that the constant rate of ffmpeg's output neither doubles a frame nor drops one.
std::string filters(const VideoFacts& facts, std::int64_t stride) {
  std::string text = stride > 1 ? "select=not(mod(n\\," + std::to_string(stride) + "))," : "";
  text += "scale=" + std::to_string(facts.width) + ":" + std::to_string(facts.height);
  const int stored_height = facts.turned % 180 == 0 ? facts.height : facts.width;
  if (!facts.names_colours && stored_height > kTallest601) text += ":in_color_matrix=bt709";
  return text + ",settb=AVTB,setpts=N*1000000*" + std::to_string(facts.rate.den * stride) + "/" +
         std::to_string(facts.rate.num);
}

std::vector<std::string> words(const VideoSource& source, const VideoFacts& facts, std::int64_t stride) {
  std::vector<std::string> words{"-nostdin", "-hide_banner", "-loglevel", "error"};
  for (std::string& word : source.input()) words.push_back(std::move(word));
  const std::string rate = std::to_string(facts.rate.num) + "/" + std::to_string(facts.rate.den * stride);
  words.insert(words.end(), {"-map", "0:V:0", "-vf", filters(facts, stride), "-r", rate, "-pix_fmt", "rgb24", "-f",
                             "rawvideo", "pipe:1"});
  return words;
}

VideoFacts within(const VideoFacts& facts, const VideoSource& source, std::int64_t max_pixels) {
  const std::int64_t pixels = std::int64_t{facts.width} * facts.height;
  if (pixels <= max_pixels) return facts;
  throw DataError(source.shown() + ": its frames have " + std::to_string(facts.width) + "x" +
                  std::to_string(facts.height) + " = " + with_thousands(pixels) +
                  " pixels; at most max_pixels=" + std::to_string(max_pixels) + " are read");
}

}  // namespace

VideoReader::VideoReader(const VideoPrograms& programs, VideoSource source, const VideoReaderOptions& options)
    : options_(options),
      source_(std::move(source)),
      facts_(within(probe_video(programs, source_, options.silence_s, options.stop), source_, options.max_pixels)),
      ffmpeg_(programs.ffmpeg, words(source_, facts_, options.stride), PipedProgram::Pipe::kItsOutput) {}

IoError VideoReader::named(const IoError& error) const {
  return IoError(source_.shown() + ": " + source_.without_password(error.what()));
}

bool VideoReader::next(Picture& frame) {
  if (over_) return false;
  if (frame.width != facts_.width || frame.height != facts_.height) frame = Picture(facts_.width, facts_.height);
  std::size_t got = 0;
  try {
    got = ffmpeg_.read(frame.rgb, options_.silence_s + 1 / rate().value());
  } catch (const IoError& error) {
    over_ = true;
    throw named(error);
  }
  if (got == frame.rgb.size()) {
    ++given_;
    return true;
  }
  over_ = true;
  if (!ffmpeg_.is_cancelled()) end(got);
  return false;
}

void VideoReader::end(std::size_t bytes_too_many) {
  constexpr double kToEnd = 10;
  int code = 0;
  try {
    code = ffmpeg_.finish(kToEnd);
  } catch (const IoError& error) {
    throw named(error);
  }
  const std::string said = source_.without_password(ffmpeg_.last_words());
  const std::string says = said.empty() ? "" : "; ffmpeg says: " + said;
  if (code == 0 && bytes_too_many > 0)
    throw DataError(source_.shown() + ": ffmpeg gave " + with_thousands(static_cast<long long>(bytes_too_many)) +
                    " bytes that are no frame of " + std::to_string(facts_.width) + "x" +
                    std::to_string(facts_.height) + says);
  // A header may count frames that are cut away on purpose: nothing is amiss unless ffmpeg says so, or
  // there is no frame at all.
  if (code == 0 && said.empty() && given_ > 0) return;
  fault_ = source_.shown() + ": ";
  if (given_ == 0)
    fault_ += "no frame could be decoded";
  else if (facts_.counted && given_ < expected())
    fault_ += counted(given_, "frame") + " of " + with_thousands(expected()) + " could be decoded";
  else
    fault_ += "some of it could not be decoded; " + counted(given_, "frame") + " could";
  if (code != 0)
    fault_ += code < 0 ? "; ffmpeg was ended by signal " + std::to_string(-code)
                       : "; ffmpeg ended with code " + std::to_string(code);
  fault_ += says;
}

}  // namespace rtdetr
