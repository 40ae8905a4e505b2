#include "train/process/loopback_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "core/base/error.h"
#include "core/io/read_only_file.h"

namespace rtdetr {

LoopbackSocket listen_on_loopback() {
  LoopbackSocket result;
  result.descriptor = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  const int socket = result.descriptor.number();
  if (!result.descriptor || ::bind(socket, generic, size) != 0 || ::listen(socket, SOMAXCONN) != 0 ||
      ::getsockname(socket, generic, &size) != 0)
    throw IoError("cannot listen on 127.0.0.1: " + errno_words(errno));
  result.port = ntohs(address.sin_port);
  return result;
}

}  // namespace rtdetr
