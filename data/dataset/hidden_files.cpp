#include "data/dataset/hidden_files.h"

#include <algorithm>
#include <cstddef>

#include "core/base/error.h"
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

namespace {

/// The true names of the folders that a walk is in, outermost first.
class WalkedFolders {
 public:
  explicit WalkedFolders(const fs::path& outermost) : names_{fs::weakly_canonical(outermost)} {}

  /// Whether the link leads to one of them, or to a folder that holds one: it would lead here again.
  /// @param depth  of the link, 0 = in the outermost
  bool leads_back(const fs::path& link, std::size_t depth) const {
    std::error_code ignored;
    const fs::path to = fs::canonical(link, ignored);
    const auto left = names_.begin() + static_cast<std::ptrdiff_t>(depth) + 1;  // from here on, folders of before
    return std::any_of(names_.begin(), left, [&](const fs::path& name) {
      return std::mismatch(to.begin(), to.end(), name.begin(), name.end()).first == to.end();
    });
  }
  void enter(const fs::path& folder, std::size_t depth) {
    names_.resize(depth + 1);
    names_.push_back(fs::weakly_canonical(folder));
  }

 private:
  std::vector<fs::path> names_;
};

}  // namespace

void walk_folder(const fs::path& folder, ProblemCollector& problems,
                 const std::function<void(const fs::directory_entry&)>& visit) {
  std::error_code fault, ignored;
  fs::path entered = folder;
  WalkedFolders walked(folder);
  const auto options = fs::directory_options::follow_directory_symlink;
  for (fs::recursive_directory_iterator at(folder, options, fault), end; !fault && at != end; at.increment(fault)) {
    if (skip_hidden(at, problems)) continue;
    if (at->is_directory(ignored)) {
      const auto depth = static_cast<std::size_t>(at.depth());
      if (at->is_symlink(ignored) && walked.leads_back(at->path(), depth)) {
        at.disable_recursion_pending();
        problems.warn("link_to_above", "links to a folder that they lie in are not followed",
                      [&] { return at->path().string(); });
        continue;
      }
      entered = at->path();
      walked.enter(entered, depth);
    }
    visit(*at);
  }
  if (fault) throw IoError(entered.string() + ": the folder cannot be read: " + fault.message());
}

std::vector<fs::path> files_below(const fs::path& folder, const char* extension, ProblemCollector& problems) {
  std::vector<fs::path> files;
  std::error_code ignored;
  if (!fs::exists(folder, ignored)) return files;
  walk_folder(folder, problems, [&](const fs::directory_entry& entry) {
    if (entry.path().extension() == extension) files.push_back(entry.path());
  });
  return files;
}

}  // namespace rtdetr
