#pragma once

#include <exception>
#include <string>

#include <c10/util/Exception.h>

#include "core/base/error.h"
#include "core/distributed/rendezvous.h"

/// What LibTorch throws when another process fails, as this library's Error.
namespace rtdetr {

/// @param doing  "a reduction": what did not work
/// @throws Error  kPeer with the reason, NCCL's own included; kMemory if this rank's GPU had none left for NCCL
[[noreturn]] void throw_peer_failure(const Rendezvous& me, const std::string& doing, const std::exception& error);

/// Whether an exception out of a backward pass, where much else can go wrong, is about the way to other ranks.
bool comes_from_transport(const std::exception& error);

/// Runs `work`, of which nothing can fail but the way to other ranks, and on a GPU the card itself: its faults stay
/// what they are.
template <class Work>
auto among_peers(const Rendezvous& me, const std::string& doing, Work&& work) {
  try {
    return work();
  } catch (const Error&) {
    throw;
  } catch (const c10::AcceleratorError&) {
    throw;
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const std::exception& error) {
    throw_peer_failure(me, doing, error);
  }
}

}  // namespace rtdetr
