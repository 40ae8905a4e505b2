#pragma once

#include <cstdint>
#include <string>

#include "core/base/descriptor.h"
#include "core/distributed/rendezvous.h"

namespace rtdetr {

/// Where rank 0 waits for the others.
struct MeetingPlace {
  Descriptor socket;       ///< listens
  std::string address;     ///< numeric, by which this process reaches it
  std::string listens_at;  ///< numeric, by which the other ranks reach this one; "": as the machine's name says
};

/// Rank 0's side. If the host is the loopback ("localhost", 127.…, ::1), only processes of this machine can come.
/// @throws Error  kPeer: the port is taken, the host has no address
MeetingPlace open_meeting_place(const Rendezvous& at);

struct Route {
  std::string to;    ///< numeric address of the host
  std::string from;  ///< address of this machine for the other ranks: that on the way there, unless it is a loopback
                     ///< one and the host's name is none
};

/// The other ranks' side: tries until something listens there.
/// @param deadline  of seconds_now()
/// @throws Error  kPeer
Route find_route(const Rendezvous& at, double deadline);

/// "rank 1 of 2 (127.0.0.1:29500): ", in front of what went wrong.
std::string rank_label(const Rendezvous& me);

}  // namespace rtdetr
