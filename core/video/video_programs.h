#pragma once

#include <filesystem>

namespace rtdetr {

/// Where the programs lie that decode and encode videos. They are no part of this one: looked for when a video is asked
/// for, and run beside it (docs/decisions/0011-video-by-ffmpeg-programs.md).
struct VideoPrograms {
  std::filesystem::path ffmpeg, ffprobe;
};

/// Both from the folders of $PATH, or as $RTDETR_FFMPEG says, which is the program ffmpeg, with ffprobe beside it, or
/// the folder of both.
/// @throws ConfigError  naming where it looked and what to install
VideoPrograms find_video_programs();
/// Whether find_video_programs would find them.
bool has_video_programs();

}  // namespace rtdetr
