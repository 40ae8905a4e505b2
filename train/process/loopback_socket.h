#pragma once

#include <cstdint>

#include "core/base/descriptor.h"

namespace rtdetr {

/// A socket that listens on 127.0.0.1, at a port that the system found free: nobody else can take it any more.
struct LoopbackSocket {
  Descriptor descriptor;  ///< closed on exec
  std::uint16_t port = 0;
};

/// @throws IoError
LoopbackSocket listen_on_loopback();

}  // namespace rtdetr
