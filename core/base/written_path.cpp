#include "core/base/written_path.h"

#include <algorithm>
#include <cstdlib>
#include <system_error>

namespace rtdetr {

namespace fs = std::filesystem;

std::string expand_home(std::string_view text) {
  const char* home = std::getenv("HOME");
  const bool at_home = text == "~" || text.starts_with("~/");
  if (!at_home || !home || !*home) return std::string(text);
  return std::string(home).append(text.substr(1));
}

std::string with_slashes(std::string_view text) {
  std::string path(text);
  std::replace(path.begin(), path.end(), '\\', '/');
  return path;
}

fs::path find_written_path(const fs::path& folder, std::string_view text) {
  const fs::path as_written = (folder / text).lexically_normal();
  if (text.find('\\') == std::string_view::npos) return as_written;
  const fs::path slashed = (folder / with_slashes(text)).lexically_normal();
  std::error_code ignored;
  return !fs::exists(as_written, ignored) && fs::exists(slashed, ignored) ? slashed : as_written;
}

}  // namespace rtdetr
