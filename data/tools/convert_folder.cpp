#include "data/tools/convert_folder.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <system_error>

#include "core/base/error.h"

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

UnpublishedFolder::UnpublishedFolder(fs::path target) : target_(std::move(target)) {
  if (target_.filename().empty()) target_ = target_.parent_path();  // "out/"
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(target_, ignored)) &&
      !(fs::is_directory(target_, ignored) && fs::is_empty(target_, ignored))) {
    throw ConfigError("output=" + target_.string() + " is there already; name a new folder");
  }
  path_ = fs::absolute(target_);
  path_ += ".part-" + std::to_string(::getpid());
  std::error_code fault;
  if (!fs::create_directories(path_, fault)) {
    throw IoError(path_.string() + ": the folder cannot be made: " + fault.message());
  }
}

UnpublishedFolder::~UnpublishedFolder() {
  std::error_code ignored;
  if (!published_) fs::remove_all(path_, ignored);
}

void UnpublishedFolder::publish() {
  std::error_code fault;
  fs::rename(path_, target_, fault);
  if (fault) throw IoError(target_.string() + ": the finished folder cannot get its name: " + fault.message());
  published_ = true;
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
