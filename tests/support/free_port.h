#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>

#include "core/base/check.h"

namespace rtdetr::test {

/// A port of the loopback that nobody uses at the moment.
class FreePort {
 public:
  FreePort() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    RTDETR_CHECK(bind(socket_, reinterpret_cast<sockaddr*>(&address), length) == 0, "bind");
    RTDETR_CHECK(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length) == 0, "getsockname");
    number_ = ntohs(address.sin_port);
  }
  ~FreePort() { release(); }
  FreePort(const FreePort&) = delete;
  FreePort& operator=(const FreePort&) = delete;
  /// From now on anybody may bind it.
  std::uint16_t release() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
    return number_;
  }
  std::uint16_t taken() {
    RTDETR_CHECK(::listen(socket_, 1) == 0, "listen");
    return number_;
  }

 private:
  int socket_;
  std::uint16_t number_ = 0;
};

}  // namespace rtdetr::test
