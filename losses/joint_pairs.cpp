#include "losses/joint_pairs.h"

#include <map>

namespace rtdetr {

std::vector<Match> joint_pairs(const std::vector<std::vector<Match>>& sets) {
  std::vector<Match> joint(sets.front().size());
  for (std::size_t image = 0; image < joint.size(); ++image) {
    std::map<std::int64_t, std::map<std::int64_t, int>> votes;  // query → target → sets
    for (const std::vector<Match>& images : sets) {
      const Match& match = images[image];
      for (std::size_t i = 0; i < match.queries.size(); ++i) ++votes[match.queries[i]][match.targets[i]];
    }
    for (const auto& [query, targets] : votes) {
      auto best = targets.begin();
      for (auto other = targets.begin(); other != targets.end(); ++other) {
        if (other->second > best->second) best = other;
      }
      joint[image].queries.push_back(query);
      joint[image].targets.push_back(best->first);
    }
  }
  return joint;
}

}  // namespace rtdetr
