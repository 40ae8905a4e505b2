#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/image/rgb_view.h"
#include "core/video/video_facts.h"
#include "core/video/video_source.h"
#include "models/deploy/detector.h"
#include "train/commands/prediction_files.h"
#include "train/config/settings.h"

namespace rtdetr {

/// What detection in a video needs of the command.
struct VideoWork {
  const Settings& settings;
  const std::vector<std::string>& names;  ///< of the classes
  std::filesystem::path folder;           ///< that results go into; "": none are written
  /// Detections of each picture.
  std::function<std::vector<PictureDetections>(std::span<const RgbView>, DetectionTimes&)> detect;
  std::function<bool()> stop;  ///< true: no further frame is wanted
};

/// What came of one video.
struct VideoResult {
  std::string name;  ///< its file or address
  VideoFacts facts;
  Ratio rate;                    ///< frames a second that were looked at
  std::int64_t frames = 0;       ///< that the model saw
  std::int64_t passed_over = 0;  ///< of a camera or stream: frames that made room for newer ones
  std::int64_t detections = 0;
  double ms = 0;               ///< of the model with what is around it, all frames
  bool stopped = false;        ///< before its end
  std::filesystem::path file;  ///< the drawn video; "": none
  std::string fault;           ///< why frames are missing; "": none are
  double ms_per_frame() const { return frames > 0 ? ms / static_cast<double>(frames) : 0; }
};

/// Every frame, or each vid_stride-th, through the model, while ffmpeg decodes the next ones and encodes the last ones.
/// Frames are pictures called <stem>_<number>, counted from 1, for labels and crops; the drawn video is <stem>.mp4, the
/// detections one line of JSON a frame in <stem>.jsonl. A fault of the video, or its end before its time, is in the
/// result. Memory does not grow with the length.
/// @throws Error  what detection throws; IoError  if results cannot be written
VideoResult predict_video(const VideoWork& work, const VideoSource& source, const std::string& stem);

/// {"file", "width", "height", "fps", "frames", "passed_over", "detections", "ms", "output", "stopped"}
nlohmann::ordered_json video_json(const VideoResult& result);

}  // namespace rtdetr
