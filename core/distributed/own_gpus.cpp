#include "core/distributed/own_gpus.h"

#include <cstdint>
#include <map>
#include <vector>

#include "core/base/error.h"
#include "core/base/host_name.h"
#include "core/base/text.h"

namespace rtdetr {
namespace {

std::vector<std::string> texts_of_all(ProcessGroup& group, const std::string& mine) {
  std::vector<std::string> texts;
  for (std::int64_t rank = 0; rank < group.size(); ++rank) {
    std::string& text = texts.emplace_back(rank == group.rank() ? mine : "");
    group.broadcast(text, rank);
  }
  return texts;
}

std::string listed(const std::vector<std::string>& words) {
  const std::vector<std::string> first(words.begin(), words.end() - 1);
  return join(first, ", ") + " and " + words.back();
}

}  // namespace

void require_own_gpus(ProcessGroup& group, const std::string& uuid) {
  if (group.size() == 1) return;
  std::map<std::string, std::vector<std::string>> ranks_of;  // by "UUID of host NAME"
  const std::string mine = uuid.empty() ? "" : uuid + " of host " + host_name();
  const std::vector<std::string> places = texts_of_all(group, mine);
  for (std::size_t rank = 0; rank < places.size(); ++rank) ranks_of[places[rank]].push_back(std::to_string(rank));
  ranks_of.erase("");
  std::vector<std::string> shared;
  for (const auto& [place, ranks] : ranks_of) {
    if (ranks.size() > 1)
      shared.push_back("ranks " + listed(ranks) + " compute on one and the same GPU, " + place +
                       "; give each its own: as many processes on a host as it has GPUs, each with another local rank "
                       "or another CUDA_VISIBLE_DEVICES");
  }
  if (!shared.empty()) throw ConfigError(join(shared, "\n"));
}

}  // namespace rtdetr
