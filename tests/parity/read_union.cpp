#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "losses/joint_pairs.h"
#include "tests/parity/fixture.h"

namespace rtdetr::test {
namespace {

Match match_in(const nlohmann::json& entry) {
  return {entry["query"].get<std::vector<std::int64_t>>(), entry["target"].get<std::vector<std::int64_t>>()};
}

std::map<std::int64_t, std::int64_t> target_of_query(const Match& match) {
  std::map<std::int64_t, std::int64_t> targets;
  for (std::size_t i = 0; i < match.queries.size(); ++i) targets.emplace(match.queries[i], match.targets[i]);
  CHECK(targets.size() == match.queries.size());
  return targets;
}

/// How many sets gave the query its target in the picture.
std::int64_t votes(const std::vector<std::vector<Match>>& sets, std::size_t image, std::int64_t query,
                   std::int64_t target) {
  std::int64_t count = 0;
  for (const std::vector<Match>& images : sets) {
    const auto targets = target_of_query(images[image]);
    const auto found = targets.find(query);
    count += found != targets.end() && found->second == target ? 1 : 0;
  }
  return count;
}

/// The reference sorts unstably: of targets that as many sets gave a query it keeps any (the fixture's note).
void check_joint(const std::vector<std::vector<Match>>& sets, std::size_t image, const Match& found,
                 const Match& expected) {
  const auto ours = target_of_query(found), theirs = target_of_query(expected);
  REQUIRE(ours.size() == theirs.size());
  for (const auto& [query, target] : theirs) {
    REQUIRE(ours.contains(query));
    const std::int64_t own = ours.at(query);
    if (own == target) continue;
    CHECK(own < target);  // ours keeps the first
    CHECK(votes(sets, image, query, own) == votes(sets, image, query, target));
  }
  CHECK(std::is_sorted(found.queries.begin(), found.queries.end()));
}

}  // namespace

TEST_CASE("the joint pairs of several sets are the reference's", "[union]") {
  const Fixture fixture = load_fixture();
  for (const auto& [name, entry] : fixture.json["cases"].items()) {
    INFO(name);
    std::vector<std::vector<Match>> sets;
    for (const auto& set : entry["sets"]) {
      sets.emplace_back();
      for (const auto& image : set) sets.back().push_back(match_in(image));
    }
    const std::vector<Match> joint = joint_pairs(sets);
    const auto& expected = entry["result_in_reference_order"];
    REQUIRE(joint.size() == expected.size());
    for (std::size_t image = 0; image < joint.size(); ++image)
      check_joint(sets, image, joint[image], match_in(expected[image]));
  }
}

}  // namespace rtdetr::test
