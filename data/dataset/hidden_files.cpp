#include "data/dataset/hidden_files.h"

#include "core/image/picture.h"
#include "core/image/picture_names.h"

namespace rtdetr {

namespace fs = std::filesystem;

void report_hidden(const fs::path& path, ProblemCollector& problems) {
  problems.warn("hidden_file", "hidden files and folders, as systems and tools leave them, are not read",
                [&] { return path.string(); });
}

bool skip_hidden(fs::recursive_directory_iterator& at, ProblemCollector& problems) {
  const fs::path& path = at->path();
  if (!is_hidden(path)) return false;
  std::error_code ignored;
  const bool folder = at->is_directory(ignored);
  if (folder) at.disable_recursion_pending();
  const std::string extension = lower_extension(path);
  const bool counts =
      has_picture_extension(path) || !other_picture_format(path).empty() || extension == ".txt" || extension == ".xml";
  if (folder || counts) report_hidden(path, problems);
  return true;
}

std::vector<fs::path> files_below(const fs::path& folder, const char* extension, ProblemCollector& problems) {
  std::vector<fs::path> files;
  std::error_code fault;
  for (fs::recursive_directory_iterator at(folder, fault), end; !fault && at != end; at.increment(fault)) {
    if (!skip_hidden(at, problems) && at->path().extension() == extension) files.push_back(at->path());
  }
  return files;
}

}  // namespace rtdetr
