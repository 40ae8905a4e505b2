#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace rtdetr {

/// The pictures that source= means, in reading order: a picture itself; a folder's pictures (not its subfolders') by
/// name, but for hidden ones and other formats, which a warning counts; the lines of a .txt list, relative to the
/// working folder or else to the list; the pictures among the matches of a pattern (files_matching). Files need not be
/// readable yet.
/// @throws ConfigError  if that is no picture at all; IoError (list)
std::vector<std::filesystem::path> list_pictures(const std::string& source);

/// A name for each picture's results: its stem, or stem-2, stem-3 … where pictures of several folders share it.
std::vector<std::string> unique_stems(const std::vector<std::filesystem::path>& pictures);

}  // namespace rtdetr
