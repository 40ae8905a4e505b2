#include "data/tools/convert_folder.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <string>
#include <system_error>

#include "core/base/error.h"
#include "core/io/file.h"
#include "core/io/read_only_file.h"

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

/// The deepest folder that holds all pictures.
fs::path common_folder(const std::vector<Dataset::PictureEntry>& pictures) {
  fs::path common = fs::absolute(pictures.front().file).lexically_normal().parent_path();
  for (const auto& picture : pictures) {
    const fs::path folder = fs::absolute(picture.file).lexically_normal().parent_path();
    const auto [end, ignored] = std::mismatch(common.begin(), common.end(), folder.begin(), folder.end());
    fs::path shared;
    for (auto part = common.begin(); part != end; ++part) shared /= *part;
    common = shared;
  }
  return common;
}

/// Makes links; remembers the true names of folders, since a link leads from where its folder really is.
class Linker {
 public:
  void link(const fs::path& file, const fs::path& link) {
    const fs::path& to = true_name(file.parent_path());
    const fs::path& from = true_name(link.parent_path());
    const auto first_folder = [](const fs::path& path) { return *std::next(path.begin()); };
    const bool near = from != from.root_path() && to != to.root_path() && first_folder(from) == first_folder(to);
    const fs::path target = (near ? to.lexically_relative(from) : to) / file.filename();
    std::error_code fault;
    fs::create_symlink(target, link, fault);
    if (!fault) return;
    throw IoError(link.string() + ": the link cannot be made: " + fault.message() +
                  "; copy=true writes copies, where a disk has no links");
  }

 private:
  const fs::path& true_name(const fs::path& folder) {
    const auto [entry, is_new] = names_.try_emplace(folder);
    if (is_new) entry->second = fs::canonical(folder);
    return entry->second;
  }

  std::map<fs::path, fs::path> names_;
};

}  // namespace

fs::path new_folder(const fs::path& target) {
  const std::string given = "output=" + target.string();
  fs::path named = target;  // "out/" and "out/." are "out"
  while ((named.filename().empty() || named.filename() == ".") && named.has_parent_path() &&
         named.parent_path() != named)
    named = named.parent_path();
  std::error_code ignored;
  const bool is_there = fs::exists(fs::symlink_status(named, ignored));
  if (is_there && !(fs::is_directory(named, ignored) && fs::is_empty(named, ignored)))
    throw ConfigError(given + " is there already; name a new folder");
  const fs::path absolute = fs::absolute(named);
  make_folders(absolute.parent_path());
  if (!is_there) return absolute;
  // A mount point, the working folder and a link cannot be replaced, which is better known now than at the end.
  FolderInMaking empty(absolute);
  if (::rename(empty.path().c_str(), named.c_str()) != 0)
    throw ConfigError(given + ": this folder cannot be replaced by a finished one (" + errno_words(errno) +
                      "); name a new folder, in it or elsewhere");
  return absolute;
}

std::vector<fs::path> place_pictures(const fs::path& folder, const std::vector<Dataset::PictureEntry>& pictures,
                                     bool copy) {
  const fs::path common = common_folder(pictures);
  Linker linker;
  std::vector<fs::path> names;
  for (const auto& picture : pictures) {
    const fs::path file = fs::absolute(picture.file).lexically_normal();
    names.push_back(file.lexically_relative(common));
    const fs::path placed = folder / names.back();
    fs::create_directories(placed.parent_path());
    if (copy) {
      fs::copy_file(file, placed);
    } else {
      linker.link(file, placed);
    }
  }
  return names;
}

}  // namespace rtdetr
