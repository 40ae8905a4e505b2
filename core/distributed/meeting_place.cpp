#include "core/distributed/meeting_place.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/text.h"

namespace rtdetr {
namespace {

using Addresses = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

/// @param fault  receives why there is none
Addresses addresses_of(const char* host, std::uint16_t port, int flags, std::string& fault) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(host, std::to_string(port).c_str(), &wanted, &found);
  if (code != 0) fault = code == EAI_SYSTEM ? std::strerror(errno) : gai_strerror(code);
  return {code == 0 ? found : nullptr, [](addrinfo* list) {
            if (list != nullptr) freeaddrinfo(list);
          }};
}

std::string numeric(const sockaddr* address, socklen_t length) {
  char text[NI_MAXHOST] = "";
  getnameinfo(address, length, text, sizeof(text), nullptr, 0, NI_NUMERICHOST);
  return text;
}

bool is_loopback(const sockaddr* address) {
  if (address->sa_family == AF_INET6)
    return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
  return ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

bool is_link_local(const sockaddr* address) {
  if (address->sa_family == AF_INET6)
    return IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
  constexpr std::uint32_t kLinkLocal = 0xA9FE;  // 169.254
  return ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr) >> 16 == kLinkLocal;
}

bool is_outward(const sockaddr* address) { return !is_loopback(address) && !is_link_local(address); }

/// Whether the host's own name says so. That a machine's name means 127.0.1.1 on itself is another matter.
bool names_loopback(const std::string& host) {
  std::string fault;
  const Addresses numbers = addresses_of(host.c_str(), 0, AI_NUMERICHOST, fault);
  return host == "localhost" || (numbers && is_loopback(numbers->ai_addr));
}

Descriptor open_socket(const addrinfo& address, int flags) {
  return Descriptor(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
}

/// @param error  receives the system's reason if the socket is not open
Descriptor listen_at(const addrinfo& address, int& error) {
  Descriptor socket = open_socket(address, 0);
  if (!socket) {
    error = errno;
    return {};
  }
  const int yes = 1, no = 0;
  setsockopt(socket.number(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));  // a port that a finished job used
  if (address.ai_family == AF_INET6) setsockopt(socket.number(), IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
  const bool listens =
      bind(socket.number(), address.ai_addr, address.ai_addrlen) == 0 && listen(socket.number(), SOMAXCONN) == 0;
  error = listens ? 0 : errno;
  return listens ? std::move(socket) : Descriptor();
}

/// Of this machine for other hosts: what its name means, unless that is a loopback address here, else that of a network
/// which is up; "" if it has none.
std::string outward_address() {
  char name[HOST_NAME_MAX + 1] = "";
  gethostname(name, sizeof(name) - 1);
  std::string fault;
  const Addresses named = addresses_of(name, 0, 0, fault);
  for (const addrinfo* one = named.get(); one != nullptr; one = one->ai_next)
    if (is_outward(one->ai_addr)) return numeric(one->ai_addr, one->ai_addrlen);
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return "";
  std::string found;
  for (const int family : {AF_INET, AF_INET6})
    for (const ifaddrs* one = all; one != nullptr && found.empty(); one = one->ifa_next) {
      const bool is_up = (one->ifa_flags & IFF_UP) != 0 && (one->ifa_flags & IFF_RUNNING) != 0;
      if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != family || !is_up || !is_outward(one->ifa_addr))
        continue;
      found = numeric(one->ifa_addr, family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    }
  freeifaddrs(all);
  return found;
}

/// The address at which a process that came by `own` listens for the others: many a machine's name is a loopback
/// address on itself, which other hosts would look for on themselves.
/// @param otherwise  where this machine has no address for others
std::string listening_address(const Rendezvous& at, const std::string& own, const std::string& otherwise) {
  std::string fault;
  const Addresses numbers = addresses_of(own.c_str(), 0, AI_NUMERICHOST, fault);
  if (!numbers || !is_loopback(numbers->ai_addr) || names_loopback(at.host)) return own;
  const std::string outward = outward_address();
  return outward.empty() ? otherwise : outward;
}

/// Of a host that is another name of this machine, for the outside.
MeetingPlace listen_everywhere(const Rendezvous& at, int& error) {
  for (const char* all : {"::", "0.0.0.0"}) {
    std::string fault;
    const Addresses any = addresses_of(all, at.port, AI_NUMERICHOST | AI_PASSIVE, fault);
    if (!any) continue;
    Descriptor socket = listen_at(*any, error);
    const std::string own = any->ai_family == AF_INET6 ? "::1" : "127.0.0.1";
    if (socket) return {std::move(socket), own, listening_address(at, own, "")};
  }
  return {};
}

/// Connected, or closed with the reason in `fault`.
Descriptor connect_to(const addrinfo& address, int milliseconds, std::string& fault) {
  Descriptor socket = open_socket(address, SOCK_NONBLOCK);
  if (!socket) {
    fault = std::strerror(errno);
    return {};
  }
  int error = connect(socket.number(), address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    pollfd ready{socket.number(), POLLOUT, 0};
    error = ETIMEDOUT;
    socklen_t length = sizeof(error);
    if (poll(&ready, 1, milliseconds) == 1) getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &error, &length);
  }
  if (error == 0) return socket;
  fault = std::strerror(error);
  return Descriptor();
}

std::string own_address(const Descriptor& socket) {
  sockaddr_storage own{};
  socklen_t length = sizeof(own);
  getsockname(socket.number(), reinterpret_cast<sockaddr*>(&own), &length);
  return numeric(reinterpret_cast<const sockaddr*>(&own), length);
}

[[noreturn]] void refuse(const Rendezvous& at, const std::string& what) {
  throw Error(ExitCode::kPeer, rank_label(at) + what);
}

}  // namespace

std::string rank_label(const Rendezvous& me) {
  const std::string place = me.port == 0 ? me.host : me.host + ":" + std::to_string(me.port);
  return "rank " + std::to_string(me.rank) + " of " + std::to_string(me.size) + " (" + place + "): ";
}

MeetingPlace open_meeting_place(const Rendezvous& at) {
  if (at.listen_fd >= 0) return {Descriptor(at.listen_fd), at.host, at.host};
  std::string fault;
  const Addresses list = addresses_of(at.host.c_str(), at.port, 0, fault);
  if (!list) refuse(at, "the host has no address (" + fault + "); give the host of rank 0");
  const bool loopback = names_loopback(at.host);
  int error = EADDRNOTAVAIL;
  for (const addrinfo* entry = list.get(); entry != nullptr; entry = entry->ai_next) {
    if (is_loopback(entry->ai_addr) != loopback) continue;
    Descriptor socket = listen_at(*entry, error);
    const std::string own = numeric(entry->ai_addr, entry->ai_addrlen);
    if (socket) return {std::move(socket), own, own};
    if (error == EADDRINUSE) break;
  }
  if (error == EADDRNOTAVAIL && !loopback) {
    MeetingPlace place = listen_everywhere(at, error);
    if (place.socket) return place;
  }
  refuse(at, std::string("cannot listen for the other ranks: ") + std::strerror(error) +
                 "; end what uses the port, or give this job another");
}

Route find_route(const Rendezvous& at, double deadline) {
  std::string fault = "no time was left";
  for (double left = deadline - seconds_now(); left > 0; left = deadline - seconds_now()) {
    const Addresses list = addresses_of(at.host.c_str(), at.port, 0, fault);
    for (const addrinfo* entry = list.get(); entry != nullptr && left > 0; entry = entry->ai_next) {
      constexpr double kOneTry = 2;  // seconds: of several addresses the first may be one that swallows everything
      const Descriptor socket = connect_to(*entry, static_cast<int>(std::min(left, kOneTry) * 1e3) + 1, fault);
      if (socket) {
        const std::string own = own_address(socket);
        return {numeric(entry->ai_addr, entry->ai_addrlen), listening_address(at, own, own)};
      }
      left = deadline - seconds_now();
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(std::clamp(left, 0.0, 0.1)));
  }
  refuse(at, "rank 0 was not reached within " + format_short(at.timeout) + " s (" + fault +
                 "); start it with the same host and port, and let no firewall stand between");
}

}  // namespace rtdetr
