#include "core/distributed/peer_failure.h"

#include <torch/csrc/distributed/c10d/exception.h>

#include "core/base/text.h"
#include "core/distributed/meeting_place.h"

namespace rtdetr {
namespace {

/// Of what LibTorch says, without the place in its sources.
std::string first_line(const std::exception& error) {
  std::string text = split(error.what(), '\n').front();
  const auto end = text.starts_with("[/") ? text.find("] ") : std::string::npos;
  return end == std::string::npos ? text : text.substr(end + 2);
}

}  // namespace

void throw_peer_failure(const Rendezvous& me, const std::string& doing, const std::exception& error) {
  throw Error(ExitCode::kPeer,
              rank_label(me) + doing + " failed: " + first_line(error) +
                  "; another process of the job has ended or does not answer: its own last lines say why");
}

bool comes_from_transport(const std::exception& error) {
  return dynamic_cast<const c10::DistError*>(&error) != nullptr ||
         std::string(error.what()).find("/gloo/transport/") != std::string::npos;
}

}  // namespace rtdetr
