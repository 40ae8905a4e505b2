#pragma once

#include <string>

namespace rtdetr {

/// The name of this machine, for messages.
std::string host_name();

}  // namespace rtdetr
