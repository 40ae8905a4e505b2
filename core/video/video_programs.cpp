#include "core/video/video_programs.h"

#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "core/base/error.h"
#include "core/base/text.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWay =
    "; install them (Debian, Ubuntu: apt-get install ffmpeg), or name the program by RTDETR_FFMPEG=/path/to/ffmpeg. "
    "Pictures need neither";

bool is_program(const fs::path& file) {
  std::error_code ignored;
  return fs::is_regular_file(file, ignored) && ::access(file.c_str(), X_OK) == 0;
}

std::optional<VideoPrograms> both_in(const fs::path& folder) {
  VideoPrograms programs{folder / "ffmpeg", folder / "ffprobe"};
  if (is_program(programs.ffmpeg) && is_program(programs.ffprobe)) return programs;
  return std::nullopt;
}

std::optional<VideoPrograms> named_by(const fs::path& named) {
  std::error_code ignored;
  if (fs::is_directory(named, ignored)) return both_in(named);
  VideoPrograms programs{named, named.parent_path() / "ffprobe"};
  if (is_program(programs.ffmpeg) && is_program(programs.ffprobe)) return programs;
  return std::nullopt;
}

std::optional<VideoPrograms> look() {
  if (const char* named = std::getenv("RTDETR_FFMPEG"); named && *named) return named_by(named);
  const char* path = std::getenv("PATH");
  for (const std::string& folder : split(path ? path : "", ':'))
    if (!folder.empty())
      if (const auto found = both_in(folder)) return found;
  return std::nullopt;
}

}  // namespace

bool has_video_programs() { return look().has_value(); }

VideoPrograms find_video_programs() {
  if (const auto found = look()) return *found;
  const char* named = std::getenv("RTDETR_FFMPEG");
  const std::string where =
      named && *named ? "not where RTDETR_FFMPEG=" + std::string(named) + " says" : std::string("in no folder of PATH");
  throw ConfigError("videos, cameras and streams are read by the programs ffmpeg and ffprobe, which are " + where +
                    kWay);
}

}  // namespace rtdetr
