#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "core/video/video_programs.h"

namespace rtdetr::test {

/// Shell scripts in the place of ffmpeg and ffprobe, which do what a test wants to see happen.
/// @param ffmpeg  script, its first line left out
/// @param answer  what ffprobe writes
inline VideoPrograms stand_ins(const std::filesystem::path& folder, const std::string& ffmpeg,
                               const std::string& answer) {
  const VideoPrograms programs{folder / "ffmpeg", folder / "ffprobe"};
  std::ofstream(programs.ffmpeg) << "#!/bin/sh\n" << ffmpeg << "\n";
  std::ofstream(programs.ffprobe) << "#!/bin/sh\ncat <<'END'\n" << answer << "\nEND\n";
  for (const auto& file : {programs.ffmpeg, programs.ffprobe})
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  return programs;
}

/// ffprobe's answer for a video of 4 x 2 pixels, 24 bytes a frame, at 10 frames a second.
inline std::string small_video(int frames) {
  return R"({"streams": [{"codec_type": "video", "width": 4, "height": 2, "avg_frame_rate": "10/1", "nb_frames": ")" +
         std::to_string(frames) + R"("}]})";
}

}  // namespace rtdetr::test
