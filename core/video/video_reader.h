#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/base/error.h"
#include "core/image/picture.h"
#include "core/video/piped_program.h"
#include "core/video/video_facts.h"
#include "core/video/video_programs.h"
#include "core/video/video_source.h"

namespace rtdetr {

struct VideoReaderOptions {
  std::int64_t stride = 1;               ///< of so many frames the first is given, the others are passed over
  std::int64_t max_pixels = 64'000'000;  ///< of a frame
  double silence_s = 60;                 ///< longest wait for a frame, beside the time that its stride takes
  std::function<bool()> stop = {};       ///< asked while the video is opened; true: that ends with an IoError
};

/// The frames of a video, one after the other, upright, as ffmpeg decodes them: each that can be decoded comes once,
/// whatever its time stamp. What is broken is passed over, or comes as far as ffmpeg makes it up. They come through a
/// pipe from a process of its own, which decodes ahead as far as the pipe takes it. One thread at a time, but for
/// cancel().
class VideoReader {
 public:
  /// @throws DataError  if it is no video, or its frames exceed max_pixels; IoError
  VideoReader(const VideoPrograms& programs, VideoSource source, const VideoReaderOptions& options = {});

  const VideoSource& source() const { return source_; }
  const VideoFacts& facts() const { return facts_; }
  /// Frames a second of what is given: the video's by the stride.
  Ratio rate() const { return {facts_.rate.num, facts_.rate.den * options_.stride}; }
  /// Frames that are to come by what the video says of itself; 0 = without an end.
  std::int64_t expected() const { return (facts_.frames + options_.stride - 1) / options_.stride; }

  /// The next frame into `frame`, whose memory is used again where the size is the same. False: there is none, or it
  /// was cancelled.
  /// @throws DataError  if ffmpeg gives what is no whole frame; IoError  if it is silent for longer than
  /// silence_s and the stride take
  bool next(Picture& frame);
  /// From any thread: next() gives up within a tenth of a second.
  void cancel() { ffmpeg_.cancel(); }

  std::int64_t given() const { return given_; }
  /// After the end: what ffmpeg complained of, and how many frames are missing, for a message; "" if nothing is amiss.
  const std::string& fault() const { return fault_; }

 private:
  void end(std::size_t bytes_too_many);
  /// With the source's name before it, and without its password.
  IoError named(const IoError& error) const;

  VideoReaderOptions options_;
  VideoSource source_;
  VideoFacts facts_;
  PipedProgram ffmpeg_;
  std::int64_t given_ = 0;
  bool over_ = false;
  std::string fault_;
};

}  // namespace rtdetr
