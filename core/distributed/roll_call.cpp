#include "core/distributed/roll_call.h"

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/text.h"
#include "core/distributed/meeting_place.h"

namespace rtdetr {
namespace {

constexpr const char* kFault = "fault";
constexpr auto kPause = std::chrono::milliseconds(20);

std::string key_of(std::int64_t rank) { return "here/" + std::to_string(rank); }

[[noreturn]] void fail(const Rendezvous& me, const std::string& what) {
  throw Error(ExitCode::kPeer, rank_label(me) + what);
}

/// Leaves time to read it before the store goes with rank 0.
[[noreturn]] void fail_for_all(c10d::Store& store, const Rendezvous& me, const std::string& what) {
  store.set(kFault, what);
  std::this_thread::sleep_for(10 * kPause);
  fail(me, what);
}

std::string missing_ranks(c10d::Store& store, const Rendezvous& me) {
  constexpr std::size_t kNamed = 8;
  std::vector<std::string> names;
  std::size_t missing = 0;
  for (std::int64_t rank = 0; rank < me.size; ++rank) {
    if (store.check({key_of(rank)}) || ++missing > kNamed) continue;
    names.push_back(std::to_string(rank));
  }
  const std::string more = missing > kNamed ? " and " + counted(static_cast<long long>(missing - kNamed), "other") : "";
  return (missing == 1 ? "rank " : "ranks ") + join(names, ", ") + more;
}

}  // namespace

void call_roll(c10d::Store& store, const Rendezvous& me, double deadline) {
  const std::string size = store.compareSet("size", "", std::to_string(me.size));
  if (size != std::to_string(me.size))
    fail_for_all(store, me,
                 "rank " + std::to_string(me.rank) + " was started as one of " + std::to_string(me.size) +
                     ", but the first to come as one of " + size + "; give all ranks the same number of processes");
  if (store.add(key_of(me.rank), 1) > 1)
    fail_for_all(store, me,
                 "two processes call themselves rank " + std::to_string(me.rank) + "; give each its own number");
  for (std::int64_t rank = 0; rank < me.size;) {
    if (store.check({key_of(rank)})) {
      ++rank;
      continue;
    }
    if (store.check({kFault})) fail(me, store.get_to_str(kFault));
    if (seconds_now() > deadline)
      fail_for_all(store, me,
                   missing_ranks(store, me) + " did not come within " + format_short(me.timeout) +
                       " s; see what it says, and start all ranks with this host and port");
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace rtdetr
