#pragma once

#include <cstdint>
#include <string>

namespace rtdetr {

/// Where the processes of one job meet, and which of them this one is.
struct Rendezvous {
  std::int64_t rank = 0;
  std::int64_t size = 1;
  std::int64_t local_rank = 0;  ///< among the processes of this host
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  double timeout = 120;       ///< seconds that ranks wait for each other at the start
  double peer_timeout = 300;  ///< seconds that a collective waits for a silent peer
};

}  // namespace rtdetr
