#pragma once

#include <string>

namespace rtdetr {

/// docs/reference/commands.md: every command with every key, as Markdown. `rtdetr help reference` prints it; a test
/// holds the page and the program together.
std::string reference_page();

}  // namespace rtdetr
