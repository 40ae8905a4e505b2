#pragma once

#include <filesystem>
#include <vector>

#include "data/dataset/dataset.h"

/// The folder that convert_dataset makes, and the pictures in it; not for other folders.
namespace rtdetr {

/// A folder that gets its name when it is complete, and is removed if it never is.
class UnpublishedFolder {
 public:
  /// @throws ConfigError  if `target` is there and not empty; IoError
  explicit UnpublishedFolder(std::filesystem::path target);
  ~UnpublishedFolder();
  UnpublishedFolder(const UnpublishedFolder&) = delete;
  UnpublishedFolder& operator=(const UnpublishedFolder&) = delete;

  /// Beside `target`, so that relative links out of it lead to the same place before and after.
  const std::filesystem::path& path() const { return path_; }
  void publish();

 private:
  std::filesystem::path target_, path_;
  bool published_ = false;
};

/// Puts links to the pictures, or copies of them, into `folder`; names keep the folders below the pictures' common one.
/// A link is relative, so that both folders can be moved together; one that would lead through the root is absolute,
/// so that the new one can be moved alone.
///
/// @return  the names, in the order of `pictures`
/// @throws IoError
std::vector<std::filesystem::path> place_pictures(const std::filesystem::path& folder,
                                                  const std::vector<Dataset::PictureEntry>& pictures, bool copy);

}  // namespace rtdetr
