#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/video/video_programs.h"
#include "core/video/video_source.h"

namespace rtdetr {

/// A fraction, such as 30000/1001 frames a second.
struct Ratio {
  std::int64_t num = 0, den = 1;
  double value() const { return static_cast<double>(num) / static_cast<double>(den); }
  bool operator==(const Ratio&) const = default;
};

/// What a video says of itself.
struct VideoFacts {
  int width = 0, height = 0;  ///< of a frame as it is displayed, that is, turned; pixels
  int turned = 0;             ///< degrees clockwise that stored frames are turned by to be upright: 0, 90, 180, 270
  Ratio rate{25, 1};          ///< frames a second, the average where it varies; 25 where it says nothing that can be so
  Ratio pixel_aspect{1, 1};   ///< width of a pixel to its height, as displayed
  double seconds = 0;         ///< its length; 0 = not known, or without an end
  bool own_length = false;    ///< `seconds` are the pictures' own, not the whole file's, whose sound may be longer
  std::int64_t frames = 0;    ///< as counted by the container, or else by length and rate; 0 = without an end
  bool counted = false;       ///< the container counted them
  bool has_sound = false;
  bool names_colours = false;  ///< it says by which matrix its colours are stored
};

/// By ffprobe, without decoding.
/// @throws DataError  if there is no video in it, with ffprobe's words; IoError  if it takes longer than `limit_s`
/// seconds, or `stop` says true meanwhile
VideoFacts probe_video(const VideoPrograms& programs, const VideoSource& source, double limit_s,
                       const std::function<bool()>& stop = {});

/// What ffprobe wrote with -of json. @param name  for messages. @throws DataError
VideoFacts parse_video_facts(const std::string& json, const std::string& name);

}  // namespace rtdetr
