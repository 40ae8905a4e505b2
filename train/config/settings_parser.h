#pragma once

#include <span>
#include <string>

#include "train/config/settings.h"

namespace rtdetr {

/// Reads `rtdetr <arguments…>`, the program's own name left out. All mistakes are collected and thrown together, one
/// per line, each with its argument or file:line and the nearest right key.
/// @throws ConfigError, IoError (cfg file)
Settings parse_command_line(std::span<const std::string> arguments);

}  // namespace rtdetr
