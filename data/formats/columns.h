#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

namespace rtdetr {

/// The words of a line that white space parts.
inline std::vector<std::string_view> columns_of(std::string_view line) {
  std::vector<std::string_view> columns;
  constexpr std::string_view kSpace = " \t\r\f\v";
  for (std::size_t at = line.find_first_not_of(kSpace); at != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(kSpace, at), line.size());
    columns.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(kSpace, end);
  }
  return columns;
}

}  // namespace rtdetr
