#include "core/base/own_file.h"

#include <dlfcn.h>

#include <system_error>

namespace rtdetr {

std::filesystem::path folder_of_own_library() {
  Dl_info found{};
  if (::dladdr(reinterpret_cast<const void*>(&folder_of_own_library), &found) == 0 || !found.dli_fname) return {};
  std::error_code ignored;
  const std::filesystem::path file = std::filesystem::canonical(found.dli_fname, ignored);
  if (ignored || file.filename().string().find(".so") == std::string::npos) return {};
  return file.parent_path();
}

}  // namespace rtdetr
