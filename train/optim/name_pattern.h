#pragma once

#include <regex>
#include <string>

namespace rtdetr {

/// A regular expression (ECMAScript) over parameters' names, as the value of `key`, or the line of a file, says it.
/// @throws ConfigError  naming both, if it is none
std::regex name_pattern(const std::string& key, const std::string& pattern);

}  // namespace rtdetr
