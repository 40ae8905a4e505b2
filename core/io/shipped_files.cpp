#include "core/io/shipped_files.h"

#include <optional>

#include "core/base/installation.h"
#include "core/base/text.h"

namespace rtdetr {

namespace {

namespace fs = std::filesystem;

/// For a program or library of the build folder configs/ of the source tree; for others those of the installation. Who
/// has an installation is not to depend on what became of the tree that it was built from.
std::vector<fs::path> shipped_folders(const std::string& kind) {
  std::vector<fs::path> folders = installed_folders("rtdetr/configs/" + kind);
  if (const fs::path sources = own_sources(); !sources.empty())
    folders.insert(folders.begin(), sources / "configs" / kind);
  return folders;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) names.push_back(entry.path().filename().string());
  return names;
}

}  // namespace

fs::path find_shipped_file(const std::string& kind, const fs::path& name) {
  std::error_code ignored;
  fs::path wanted = name;
  if (!wanted.has_extension()) wanted += ".yaml";
  if (fs::is_regular_file(wanted, ignored)) return wanted;
  return wanted.has_parent_path() ? fs::path() : shipped_file(kind, wanted.string());
}

fs::path shipped_file(const std::string& kind, const std::string& name) {
  std::error_code ignored;
  fs::path wanted = name;
  if (!wanted.has_extension()) wanted += ".yaml";
  for (const fs::path& folder : shipped_folders(kind)) {
    if (fs::is_regular_file(folder / wanted, ignored)) return folder / wanted;
  }
  return {};
}

std::vector<std::string> shipped_names(const std::string& kind) {
  std::vector<std::string> names;
  for (const fs::path& folder : shipped_folders(kind)) {
    const std::vector<std::string> found = names_in(folder);
    names.insert(names.end(), found.begin(), found.end());
  }
  return names;
}

std::string nearest_file(const std::string& kind, const fs::path& path) {
  if (path.has_relative_path() && !path.has_filename()) return nearest_file(kind, path.parent_path());
  const fs::path folder = path.parent_path();
  const auto beside = nearest_word(path.filename().string(), names_in(folder.empty() ? "." : folder));
  if (beside) return "; did you mean '" + (folder / *beside).string() + "'?";
  if (kind.empty() || path.has_parent_path()) return "";
  fs::path wanted = path;
  if (!wanted.has_extension()) wanted += ".yaml";
  return did_you_mean(wanted.string(), shipped_names(kind));
}

}  // namespace rtdetr
