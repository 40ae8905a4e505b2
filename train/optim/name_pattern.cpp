#include "train/optim/name_pattern.h"

#include "core/base/error.h"

namespace rtdetr {

std::regex name_pattern(const std::string& key, const std::string& pattern) {
  try {
    return std::regex(pattern, std::regex::ECMAScript | std::regex::optimize);
  } catch (const std::regex_error& error) {
    throw ConfigError(key + ": '" + pattern + "' is not a regular expression: " + error.what());
  }
}

}  // namespace rtdetr
