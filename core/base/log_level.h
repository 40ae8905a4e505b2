#pragma once

#include "core/base/log.h"

namespace rtdetr::log {

/// The level that set_level() has set, for who puts it back; kInfo at first.
Level level();

}  // namespace rtdetr::log
