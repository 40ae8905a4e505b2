#include "train/commands/file_pattern.h"

#include <fnmatch.h>

#include <algorithm>
#include <map>
#include <set>
#include <span>

#include "core/base/log.h"
#include "core/base/text.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

bool is_hidden(const fs::path& path) { return path.filename().native().starts_with('.'); }

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

class PatternSearch {
 public:
  explicit PatternSearch(const std::string& pattern) {
    for (std::string& part : split(pattern, '/')) {
      if (part.empty() || (part == "**" && !parts_.empty() && parts_.back() == "**")) continue;
      parts_.push_back(std::move(part));
    }
    if (!parts_.empty() && parts_.back() == "**") parts_.push_back("*");
    if (!parts_.empty()) search(pattern.starts_with('/') ? "/" : "", parts_);
  }

  std::vector<fs::path> found() const { return {found_.begin(), found_.end()}; }

 private:
  using Parts = std::span<const std::string>;

  const std::vector<fs::path>& entries_of(const fs::path& folder) {
    const auto [entry, is_new] = entries_.try_emplace(folder);
    if (!is_new) return entry->second;
    std::error_code fault;
    const fs::path place = folder.empty() ? "." : folder;
    for (fs::directory_iterator at(place, fault), end; !fault && at != end; at.increment(fault))
      entry->second.push_back(folder / at->path().filename());
    if (fault) log::warning(place.string() + ": the folder cannot be read (" + fault.message() + "); left out");
    return entry->second;
  }

  /// What the parts name below `folder`.
  void search(const fs::path& folder, Parts parts) {
    if (parts.front() == "**") return search_everywhere(folder, parts);
    std::error_code ignored;
    const fs::path literal = folder / parts.front();
    if (fs::exists(fs::symlink_status(literal, ignored))) take(literal, parts.subspan(1));
    if (!has_wildcards(parts.front()) || !(folder.empty() || is_folder(folder))) return;
    for (const fs::path& entry : entries_of(folder)) {
      const std::string name = entry.filename().string();
      if (name == parts.front()) continue;
      if (::fnmatch(parts.front().c_str(), name.c_str(), FNM_PERIOD) == 0) take(entry, parts.subspan(1));
    }
  }

  void take(const fs::path& path, Parts rest) {
    if (!rest.empty()) return is_folder(path) ? search(path, rest) : void();
    if (!is_folder(path)) found_.insert(path);
  }

  /// Whether a folder holds the one that is being searched, or is it.
  bool is_circle(const fs::path& true_name) const {
    if (above_.empty()) return false;
    const fs::path& here = above_.back();
    const bool holds_it =
        std::mismatch(true_name.begin(), true_name.end(), here.begin(), here.end()).first == true_name.end();
    return holds_it || std::find(above_.begin(), above_.end(), true_name) != above_.end();
  }

  /// `parts` begin with **: the rest here, and all of it in every folder. Links are followed, but not in a circle.
  void search_everywhere(const fs::path& folder, Parts parts) {
    std::error_code unreadable;
    const fs::path true_name = fs::canonical(folder.empty() ? "." : folder, unreadable);
    if (unreadable || is_circle(true_name)) return;
    above_.push_back(true_name);
    search(folder, parts.subspan(1));
    for (const fs::path& entry : entries_of(folder))
      if (!is_hidden(entry) && is_folder(entry)) search_everywhere(entry, parts);
    above_.pop_back();
  }

  std::vector<std::string> parts_;
  std::map<fs::path, std::vector<fs::path>> entries_;  ///< by folder; read once
  std::vector<fs::path> above_;                        ///< the folders that are being searched, by their true names
  std::set<fs::path> found_;
};

}  // namespace

bool has_wildcards(const std::string& text) { return text.find_first_of("*?[") != std::string::npos; }

std::vector<fs::path> files_matching(const std::string& pattern) { return PatternSearch(pattern).found(); }

}  // namespace rtdetr
