#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/image/picture.h"
#include "core/video/piped_program.h"
#include "core/video/video_facts.h"
#include "core/video/video_programs.h"
#include "core/video/video_source.h"

namespace rtdetr {

struct VideoWriterOptions {
  int width = 0, height = 0;         ///< of every frame, pixels
  Ratio rate{25, 1};                 ///< frames a second
  Ratio pixel_aspect{1, 1};          ///< width of a pixel to its height
  bool by_clock = false;             ///< a frame is shown when it was written; `rate` is the highest there is
  std::optional<VideoSource> sound;  ///< file whose sound the video gets
  double length_s = 0;               ///< of that video, which this one is brought to; 0 = not known
  double silence_s = 120;            ///< longest wait for the encoder
  std::function<bool()> stop;        ///< asked while sound is added; true: the video stays without
};

/// Writes an MP4 file by ffmpeg: H.264 where its build encodes that, else MPEG-4. Frames go into NAME.part.mp4 beside
/// the target, which is closed in order even where this process is killed, and can be played; finish() adds the sound
/// and gives it its name. Sound is copied as it is, or encoded anew as AAC where MP4 does not take its kind. A video
/// whose rate varied, or lost frames, gets the length that it had, so that sound and pictures end together.
class VideoWriter {
 public:
  /// @throws IoError
  VideoWriter(VideoPrograms programs, std::filesystem::path target, const VideoWriterOptions& options);
  /// Unless finished: the frames so far stay in NAME.part.mp4; a file without any is removed.
  ~VideoWriter();
  VideoWriter(const VideoWriter&) = delete;
  VideoWriter& operator=(const VideoWriter&) = delete;

  /// @throws IoError  naming the target, with ffmpeg's last words
  void write(const Picture& frame);
  /// @param whole  false: the video ends early, and the sound with it
  /// @return  what did not go as it should, for a warning: sound that could not be taken over; "" = nothing
  /// @throws IoError
  std::string finish(bool whole = true);
  std::int64_t written() const { return written_; }

 private:
  void close();
  /// @return  why that failed, for a message; "": it did not
  std::string add_sound(const std::filesystem::path& to, const char* codec, bool whole,
                        const std::function<bool()>& stop) const;

  VideoPrograms programs_;
  std::filesystem::path target_, part_;
  VideoWriterOptions options_;
  std::unique_ptr<PipedProgram> ffmpeg_;
  std::int64_t written_ = 0;
};

}  // namespace rtdetr
