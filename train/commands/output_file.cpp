#include "train/commands/output_file.h"

#include <filesystem>

#include "core/base/error.h"

namespace rtdetr {

void require_output_file(const Settings& settings, const std::string& source, const std::string& called) {
  namespace fs = std::filesystem;
  const std::string where = "output=" + settings.output + settings.origin_of("output") + ": ";
  const fs::path folder = fs::path(settings.output).parent_path();
  std::error_code ignored;
  if (!folder.empty() && !fs::is_directory(folder, ignored))
    throw ConfigError(where + "there is no folder " + folder.string());
  if (fs::is_directory(settings.output, ignored)) throw ConfigError(where + "is a folder, not a file");
  if (fs::equivalent(settings.output, source, ignored))
    throw ConfigError(where + "is the " + called + " itself; give another name");
}

}  // namespace rtdetr
