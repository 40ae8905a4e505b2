#include "train/commands/output_file.h"

#include <filesystem>

#include "core/base/error.h"

namespace rtdetr {

void require_output_file(const Settings& settings, const std::string& source, const std::string& called) {
  require_output_file(settings, "output", settings.output, source, called);
}

void require_output_file(const Settings& settings, const std::string& key, const std::string& file,
                         const std::string& source, const std::string& called) {
  namespace fs = std::filesystem;
  const std::string where = key + "=" + file + settings.origin_of(key) + ": ";
  const fs::path folder = fs::path(file).parent_path();
  std::error_code ignored;
  if (!folder.empty() && !fs::is_directory(folder, ignored))
    throw ConfigError(where + "there is no folder " + folder.string());
  if (fs::is_directory(file, ignored)) throw ConfigError(where + "is a folder, not a file");
  if (fs::equivalent(file, source, ignored))
    throw ConfigError(where + "is the " + called + " itself; give another name");
}

}  // namespace rtdetr
