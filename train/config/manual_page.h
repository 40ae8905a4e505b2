#pragma once

#include <string>

namespace rtdetr {

/// rtdetr(1) in troff's man macros: commands, every key once with the commands that take it, exit codes. `rtdetr help
/// man` prints it; an installation has it where `man rtdetr` looks.
std::string manual_page();

}  // namespace rtdetr
