#pragma once

#include <filesystem>
#include <vector>

#include "data/dataset/dataset.h"

/// The folder that convert_dataset makes, and the pictures in it; not for other folders.
namespace rtdetr {

/// `target` as a FolderInMaking can take its name: absolute, the folders above it made; there is nothing of that name,
/// or an empty folder that can be replaced.
/// @throws ConfigError  if not, before anything is written; IoError
std::filesystem::path new_folder(const std::filesystem::path& target);

/// Puts links to the pictures, or copies of them, into `folder`; names keep the folders below the pictures' common one.
/// A link is relative, so that both folders can be moved together; one that would lead through the root is absolute,
/// so that the new one can be moved alone.
///
/// @return  the names, in the order of `pictures`
/// @throws IoError
std::vector<std::filesystem::path> place_pictures(const std::filesystem::path& folder,
                                                  const std::vector<Dataset::PictureEntry>& pictures, bool copy);

}  // namespace rtdetr
