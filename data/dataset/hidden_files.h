#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "data/dataset/data_problem.h"

/// Passes over what systems and tools leave in folders (is_hidden in core/image/picture_names.h), wherever folders are
/// read: it is no part of a data set. It is said once, with the count.
namespace rtdetr {

void report_hidden(const std::filesystem::path& path, ProblemCollector& problems);

/// Whether the walk is at something hidden: it then does not go into it. Folders are reported, and so are files that
/// would have been taken for pictures, labels or annotations; nobody needs to hear of .DS_Store.
bool skip_hidden(std::filesystem::recursive_directory_iterator& at, ProblemCollector& problems);

/// Calls `visit` for every file and folder below `folder`, hidden ones left out. Links to folders are followed, but for
/// those that lead back to where the walk came through: a warning.
/// @throws IoError  naming the folder that cannot be read
void walk_folder(const std::filesystem::path& folder, ProblemCollector& problems,
                 const std::function<void(const std::filesystem::directory_entry&)>& visit);

/// Files with the extension (".xml") below a folder, as walk_folder finds them; none if it is not there.
/// @throws IoError
std::vector<std::filesystem::path> files_below(const std::filesystem::path& folder, const char* extension,
                                               ProblemCollector& problems);

}  // namespace rtdetr
