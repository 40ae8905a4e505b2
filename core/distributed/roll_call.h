#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include "core/distributed/rendezvous.h"

namespace rtdetr {

/// Every rank says in the store that it is here, and leaves when all are.
/// @param deadline  of seconds_now()
/// @throws Error  kPeer, after the deadline with the ranks that did not come, or as soon as one has come twice or
///                was told of another number of ranks; whoever waits then throws the same
void call_roll(c10d::Store& store, const Rendezvous& me, double deadline);

}  // namespace rtdetr
