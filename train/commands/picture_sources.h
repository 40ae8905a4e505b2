#pragma once

#include "core/base/cpp20.h"

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "core/video/video_source.h"

namespace rtdetr {

/// The pictures that source= means, in reading order: a picture itself; a folder's pictures (not its subfolders') by
/// name, but for hidden ones and other formats, which a warning counts; the lines of a .txt list, relative to the
/// working folder or else to the list; the pictures among the matches of a pattern (files_matching). Several of these
/// with commas between mean all of them, one after the other; a name that has a comma itself is taken as it is where
/// there is such a file or folder. Files need not be readable yet.
/// @throws ConfigError  if that is no picture at all, naming every source that is not; IoError (list)
std::vector<std::filesystem::path> list_pictures(const std::string& source);

/// What `rtdetr predict` reads.
struct PredictedPictures {
  std::vector<std::filesystem::path> files;
  std::vector<std::byte> piped;     ///< of the one file "-": the picture that came through standard input
  std::vector<VideoSource> videos;  ///< in reading order, behind the pictures
};
inline constexpr const char* kStandardInput = "-";

/// list_pictures, or of "-" what comes through `input` until it ends: text is a list like a .txt file's, relative to
/// the working folder; all else, that is, what has a zero among its first 4096 bytes as every picture has, is one
/// picture. Where list_pictures takes pictures, this takes videos, too: files, and of what is typed or listed also
/// cameras and streams. In a folder or behind a pattern they are left out, with a warning, where ffmpeg is not
/// installed.
/// @throws ConfigError  as above, if nothing comes, if ffmpeg is missing for a video that is typed or listed, or for
/// the address of a picture; IoError
PredictedPictures predicted_pictures(const std::string& source, int input = 0);

/// `stem` with `ending` behind it, the stem cut between characters where the two would be longer than a file's name may
/// be with an extension behind them: 255 bytes, and four for ".jpg", ".png" or ".txt".
/// @param more  bytes that are to be free before the extension, too
std::string written_stem(const std::string& stem, const std::string& ending = "", std::size_t more = 0);

/// A name for each picture's results: its stem, or stem-2, stem-3 … where pictures of several folders share it, as
/// written_stem has it; that of "-" is "stdin". Behind them the videos' names, whose frames, <name>_<number>, are
/// called like none of the others, too.
std::vector<std::string> unique_stems(const std::vector<std::filesystem::path>& pictures,
                                      const std::vector<VideoSource>& videos = {});

}  // namespace rtdetr
