#include "core/base/installation.h"

#include <dlfcn.h>
#include <sys/auxv.h>

#include <fstream>
#include <system_error>

namespace rtdetr {
namespace {

namespace fs = std::filesystem;

/// What CMake has written into the build folder, this project's or that of one that contains it, above a path without
/// links.
fs::path sources_of(fs::path path) {
  while (path.has_relative_path()) {
    path = path.parent_path();
    std::string sources;
    if (std::getline(std::ifstream(path / "rtdetr_sources"), sources)) return sources;
  }
  return {};
}

}  // namespace

fs::path own_program() {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  if (!program.empty()) return program;
  const auto* started_as =
      reinterpret_cast<const char*>(::getauxval(AT_EXECFN));  // NOLINT: an address, by getauxval(3)
  return started_as ? fs::canonical(started_as, ignored) : fs::path();
}

fs::path folder_of_own_library() {
  Dl_info found{};
  if (::dladdr(reinterpret_cast<const void*>(&folder_of_own_library), &found) == 0 || !found.dli_fname) return {};
  std::error_code ignored;
  const fs::path file = fs::canonical(found.dli_fname, ignored);
  if (ignored || file.filename().string().find(".so") == std::string::npos) return {};
  return file.parent_path();
}

fs::path own_sources() {
  static const fs::path found = [] {
    const fs::path sources = sources_of(own_program()), library = folder_of_own_library();
    return sources.empty() && !library.empty() ? sources_of(library / "rtdetr") : sources;
  }();
  return found;
}

std::vector<fs::path> installed_folders(const std::string& folder) {
  std::vector<fs::path> folders;
  const fs::path program = own_program(), library = folder_of_own_library();
  if (!program.empty()) {
    folders.push_back(program.parent_path().parent_path() / "share" / folder);
    folders.push_back((program.parent_path() / RTDETR_SHARE_OF_WORKER / folder).lexically_normal());
  }
  if (!library.empty()) folders.push_back((library / "rtdetr" / RTDETR_SHARE_OF_WORKER / folder).lexically_normal());
  folders.push_back(fs::path(RTDETR_INSTALLED_SHARE) / folder);
  return folders;
}

std::string readable_page(const std::string& page) {
  if (is_of_build_folder()) return page;
  std::error_code ignored;
  for (const fs::path& folder : installed_folders("doc/rtdetr"))
    if (fs::is_regular_file(folder / page, ignored)) return (folder / page).string();
  return page;
}

}  // namespace rtdetr
