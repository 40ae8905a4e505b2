#pragma once

#include <filesystem>
#include <memory>

#include "core/distributed/process_group.h"
#include "core/distributed/rendezvous.h"

namespace rtdetr {

/// Meets the other processes of the job, each of which calls this at about the same time. Rank 0 listens at host:port,
/// and every rank at the address by which it reaches rank 0: if the host is the loopback, nothing listens elsewhere.
/// The process ignores SIGPIPE from before: writing to a rank that has gone may raise it.
///
/// @return  once all are here and connected; a world of one meets nobody
/// @throws Error  kPeer within at.timeout seconds, or twice that if a rank stops after it was met: a rank does not
///                come, comes twice or counts the ranks otherwise; the port is taken; the host is not reached. Who it
///                is stands in the message, on every rank that can know.
std::unique_ptr<ProcessGroup> join_world(const Rendezvous& at);

/// The same on one host, with a file that does not exist yet as the meeting place: for tests.
std::unique_ptr<ProcessGroup> join_through_file(const std::filesystem::path& file, const Rendezvous& me);

}  // namespace rtdetr
