#pragma once

#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace rtdetr {

/// Whether a descriptor is a terminal on which a line can be erased and written again: TERM=dumb (editors' shells) says
/// that it cannot.
inline bool is_live_terminal(int descriptor) {
  const char* term = std::getenv("TERM");
  return ::isatty(descriptor) == 1 && !(term && std::string_view(term) == "dumb");
}

}  // namespace rtdetr
