#include "core/distributed/peer_failure.h"

#include <vector>

#include <torch/csrc/distributed/c10d/exception.h>

#include "core/base/text.h"
#include "core/distributed/meeting_place.h"
#include "core/ops/device_memory.h"

namespace rtdetr {
namespace {

/// What NCCL has noted last, which LibTorch puts below its own words; mostly the reason. "" = nothing.
std::string last_words_of_nccl(const std::vector<std::string>& lines) {
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!trim(lines[i]).starts_with("Last error:")) continue;
    const std::string behind(trim(lines[i].substr(lines[i].find(':') + 1)));
    return behind.empty() && i + 1 < lines.size() ? std::string(trim(lines[i + 1])) : behind;
  }
  return "";
}

/// Of what LibTorch says, in one line and without the place in its sources.
std::string reason_of(const std::exception& error) {
  const std::vector<std::string> lines = split(error.what(), '\n');
  std::string text = lines.front();
  const auto end = text.starts_with("[/") ? text.find("] ") : std::string::npos;
  if (end != std::string::npos) text = text.substr(end + 2);
  const std::string nccl = last_words_of_nccl(lines);
  return nccl.empty() ? text : text + ": " + nccl;
}

}  // namespace

void throw_peer_failure(const Rendezvous& me, const std::string& doing, const std::exception& error) {
  const std::string reason = reason_of(error);
  if (reason.find("NCCL") != std::string::npos && reason.find("out of memory") != std::string::npos)
    throw Error(ExitCode::kMemory, rank_label(me) + out_of_device_memory(doing + " failed: " + reason).what());
  throw Error(ExitCode::kPeer,
              rank_label(me) + doing + " failed: " + reason +
                  "; another process of the job has ended or does not answer: its own last lines say why");
}

bool comes_from_transport(const std::exception& error) {
  return dynamic_cast<const c10::DistError*>(&error) != nullptr ||
         std::string(error.what()).find("/gloo/transport/") != std::string::npos;
}

}  // namespace rtdetr
