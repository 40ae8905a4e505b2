#pragma once

#include <filesystem>
#include <vector>

#include "data/dataset/data_problem.h"

/// Passes over what systems and tools leave in folders (is_hidden in core/image/picture_names.h), wherever folders are
/// read: it is no part of a data set. It is said once, with the count.
namespace rtdetr {

void report_hidden(const std::filesystem::path& path, ProblemCollector& problems);

/// Whether the walk is at something hidden: it then does not go into it. Folders are reported, and so are files that
/// would have been taken for pictures, labels or annotations; nobody needs to hear of .DS_Store.
bool skip_hidden(std::filesystem::recursive_directory_iterator& at, ProblemCollector& problems);

/// Files with the extension (".xml") in a folder and below it, hidden ones left out. Empty if it cannot be read.
std::vector<std::filesystem::path> files_below(const std::filesystem::path& folder, const char* extension,
                                               ProblemCollector& problems);

}  // namespace rtdetr
