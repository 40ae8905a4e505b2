#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace rtdetr {

/// Whether the text has one of *, ? and [, and so may be a pattern.
bool has_wildcards(const std::string& text);

/// The files that a pattern names, sorted, each once. *, ? and [ ] stand for characters between two slashes; ** between
/// two slashes stands for any number of folders, also none, and at the end for everything below. What begins with a
/// dot is found only where the pattern has that dot. A part that is the very name of something means that, too.
/// A folder that cannot be read is named in a warning.
std::vector<std::filesystem::path> files_matching(const std::string& pattern);

}  // namespace rtdetr
