#pragma once

#include <regex>
#include <string>

namespace rtdetr {

/// A regular expression (ECMAScript) over parameters' names, as the value of `key` says it.
/// @throws ConfigError  naming key and pattern, if it is none
std::regex name_pattern(const std::string& key, const std::string& pattern);

}  // namespace rtdetr
