#include "train/process/launched_rank.h"

#include <unistd.h>

#include <cstdlib>

#include "core/base/log.h"
#include "core/base/text.h"

namespace rtdetr {

bool is_launched_rank() {
  const char* launcher = std::getenv(kLauncherVariable);
  return launcher && parse_integer(launcher) == ::getppid();  // else it is the variable of somebody further up
}

void leave_note(const std::string& text) {
  const char* variable = std::getenv(kNoteVariable);
  if (!variable || !is_launched_rank()) return;
  const std::string note = text.substr(0, kLongestNote);
  const auto descriptor = static_cast<int>(parse_integer(variable).value_or(-1));
  // With its NUL: a shorter note ends before the rest of a longer one.
  if (::pwrite(descriptor, note.c_str(), note.size() + 1, 0) < 0) log::debug("the launcher's note cannot be written");
}

}  // namespace rtdetr
