#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace rtdetr {

/// Where moving pictures come from.
struct VideoSource {
  enum class Kind { kFile, kStream, kCamera };
  Kind kind = Kind::kFile;
  std::string place;  ///< a file's path, a stream's address, a camera's device

  /// The place for messages: of an address without the password in it.
  std::string shown() const;
  /// `text` with the address as shown() has it.
  std::string without_password(const std::string& text) const;
  /// What results are called: "clip" of a/clip.mp4, "video0" of /dev/video0, "ch1" of rtsp://camera/ch1.
  std::string stem() const;
  /// ffmpeg's and ffprobe's words for this input, up to it itself. A file is read as a file whatever its name looks
  /// like, and what is inside it opens nothing but files; a stream opens what its kind of address needs.
  std::vector<std::string> input() const;
};

/// `text`, e.g. of source=, with each address in it without "name:password@" behind its scheme.
std::string without_passwords(std::string text);

/// .mp4, .mov, .mkv, … in any case.
bool has_video_extension(const std::filesystem::path& file);
/// Whether a file is a video by its name, or else, where that is no picture's, by its first bytes (MP4, Matroska, AVI).
bool is_video_file(const std::filesystem::path& file);

/// A stream by its address (rtsp, rtsps, rtmp, http, https), or a camera: its number or /dev/video0.
/// @return  nullopt for what may be a file
/// @throws ConfigError  for an address of another kind
std::optional<VideoSource> live_source(const std::string& text);

}  // namespace rtdetr
