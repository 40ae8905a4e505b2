#include "core/base/check.h"
#include "core/distributed/c10d_group.h"

#include <torch/types.h>
#include <array>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <sstream>
#include <vector>

#include "core/base/error.h"
#include "core/distributed/peer_failure.h"
#include "tests/support/captured_stderr.h"
#include "tests/support/free_port.h"
#include "tests/support/rank_threads.h"
#include "tests/support/temporary_folder.h"

namespace rtdetr {
namespace {

using test::Failure;
using test::failure_of;
using test::FreePort;
using test::run_ranks;
using test::stderr_of;
using test::TemporaryFolder;

void check_peer_failure(const Failure& failure, const std::vector<std::string>& parts) {
  INFO(failure.text);
  CHECK(failure.code == ExitCode::kPeer);
  CHECK(failure.text.find('\n') == std::string::npos);
  for (const std::string& part : parts) {
    INFO(part);
    CHECK(failure.text.find(part) != std::string::npos);
  }
}

void exchange_numbers(ProcessGroup& group) {
  const auto rank = static_cast<double>(group.rank());
  const auto size = group.size();
  std::vector<double> sum{1 + rank, 10}, most{rank, -rank}, least{rank, -rank};
  group.all_reduce(sum, Reduction::kSum);
  group.all_reduce(most, Reduction::kMax);
  group.all_reduce(least, Reduction::kMin);
  std::array<std::int64_t, 2> seed{group.rank(), 40 + group.rank()};
  group.broadcast(seed, 1);
  const torch::Tensor moments = torch::full({2, 3}, 0.5F + static_cast<float>(rank));
  group.all_reduce(moments, Reduction::kSum);
  group.barrier();
  const auto count = static_cast<double>(size), triangle = count * (count - 1) / 2;
  RTDETR_CHECK((sum == std::vector<double>{count + triangle, 10 * count}), "sum");
  RTDETR_CHECK((most == std::vector<double>{count - 1, 0}), "maximum");
  RTDETR_CHECK((least == std::vector<double>{0, 1 - count}), "minimum");
  RTDETR_CHECK((seed == std::array<std::int64_t, 2>{1, 41}), "broadcast");
  RTDETR_CHECK(moments.eq(0.5 * count + triangle).all().item<bool>(), "sum of tensors");
}

/// Addresses at which this process listens, as /proc/net writes them.
std::set<std::string> listening_addresses() {
  std::set<std::string> own;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (target.starts_with("socket:[")) own.insert(target.substr(8, target.size() - 9));
  }
  std::set<std::string> addresses;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream lines(table);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::vector<std::string> word;
      for (std::string text; words >> text;) word.push_back(text);
      if (word.size() > 9 && word[3] == "0A" && own.contains(word[9]))
        addresses.insert(word[1].substr(0, word[1].find(':')));
    }
  }
  return addresses;
}

}  // namespace

TEST_CASE("ranks meet at a port of the loopback, exchange their numbers and listen nowhere else") {
  FreePort port;
  const Rendezvous at{.size = 3, .port = port.release(), .timeout = 20, .peer_timeout = 20};
  std::vector<Failure> failures;
  const auto work = [](const Rendezvous& me) {
    const auto group = join_world(me);
    RTDETR_CHECK(group->rank() == me.rank && group->size() == 3, "rank and size");
    for (int round = 0; round < 20; ++round) exchange_numbers(*group);
    if (me.rank == 0)
      RTDETR_CHECK(listening_addresses() == std::set<std::string>{"0100007F"}, "listens off the loopback");
    group->barrier();
  };
  CHECK(stderr_of([&] { failures = run_ranks(at, 3, work); }).empty());
  for (const Failure& failure : failures) CHECK(failure.text.empty());
}

TEST_CASE("ranks meet through a file") {
  const TemporaryFolder temp;
  const auto failures = run_ranks({.size = 2}, 2, [&](const Rendezvous& me) {
    const auto group = join_through_file(temp.path() / "meeting", me);
    exchange_numbers(*group);
  });
  for (const Failure& failure : failures) CHECK(failure.text.empty());
}

TEST_CASE("a world of one meets nobody") {
  const auto group = join_world({.port = 0});
  CHECK(group->size() == 1);
  CHECK(group->is_main());
}

TEST_CASE("all ranks name the rank that does not come, when their time is up") {
  FreePort port;
  const Rendezvous at{.size = 3, .port = port.release(), .timeout = 1};
  std::vector<Failure> failures;
  CHECK(stderr_of([&] { failures = run_ranks(at, 2, [](const Rendezvous& me) { join_world(me); }); }).empty());
  const std::string place = "(127.0.0.1:" + std::to_string(at.port) + "): ";
  for (std::size_t rank : {0, 1}) {
    check_peer_failure(failures[rank],
                       {"rank " + std::to_string(rank) + " of 3 " + place, "rank 2 did not come within 1 s"});
  }
}

TEST_CASE("without rank 0 the others say within their time that it was not reached") {
  FreePort port;
  Rendezvous at{.rank = 1, .size = 2, .port = port.release(), .timeout = 0.3};
  Failure failure;
  CHECK(stderr_of([&] { failure = failure_of([&] { join_world(at); }); }).empty());
  check_peer_failure(failure, {"rank 1 of 2 (127.0.0.1:", "rank 0 was not reached within 0.3 s", "refused"});
  at.host = "nobody.invalid";
  failure = failure_of([&] { join_world(at); });
  check_peer_failure(failure, {"rank 1 of 2 (nobody.invalid:", "not reached within 0.3 s"});
  at.rank = 0;
  check_peer_failure(failure_of([&] { join_world(at); }), {"rank 0 of 2 (nobody.invalid:", "no address"});
}

TEST_CASE("a port that is taken is said at once") {
  FreePort port;
  const Rendezvous at{.size = 2, .port = port.taken(), .timeout = 60};
  const Failure failure = failure_of([&] { join_world(at); });
  check_peer_failure(failure, {"rank 0 of 2 (127.0.0.1:" + std::to_string(at.port), "in use", "another"});
  CHECK(failure.seconds < 30);
}

TEST_CASE("a stranger at the port is not taken for rank 0") {
  FreePort port;
  const Rendezvous at{.rank = 1, .size = 2, .port = port.taken(), .timeout = 0.3};
  Failure failure;
  CHECK(stderr_of([&] { failure = failure_of([&] { join_world(at); }); }).empty());
  check_peer_failure(failure, {"rank 1 of 2 (127.0.0.1:", "rank 0"});
}

TEST_CASE("ranks that count differently, or are the same one, are told so at once") {
  FreePort port;
  Rendezvous at{.size = 2, .port = port.release(), .timeout = 60};
  auto failures = run_ranks(at, 2, [](Rendezvous me) {
    me.size = me.rank == 1 ? 3 : 2;
    join_world(me);
  });
  for (const Failure& failure : failures) {
    check_peer_failure(failure, {"was started as one of", "same number"});
    CHECK(failure.seconds < 30);
  }
  const TemporaryFolder temp;
  at.size = 3;
  failures = run_ranks(at, 3, [&](Rendezvous me) {
    me.rank = std::min<std::int64_t>(me.rank, 1);
    join_through_file(temp.path() / "meeting", me);
  });
  int told = 0;
  for (const Failure& failure : failures)
    told += failure.text.find("call themselves rank 1") != std::string::npos ? 1 : 0;
  CHECK(told == 3);
}

TEST_CASE("the ranks that are left hear at once of one that has gone") {
  const TemporaryFolder temp;
  std::vector<Failure> failures;
  const auto work = [&](const Rendezvous& me) {
    const auto group = join_through_file(temp.path() / "meeting", me);
    exchange_numbers(*group);
    if (me.rank == 1) return;
    for (int round = 0; round < 100; ++round) exchange_numbers(*group);
  };
  CHECK(stderr_of([&] { failures = run_ranks({.size = 3, .peer_timeout = 60}, 3, work); }).empty());
  for (std::size_t rank : {0, 2}) {
    check_peer_failure(failures[rank], {"rank " + std::to_string(rank) + " of 3", "has ended or does not answer"});
    CHECK(failures[rank].seconds < 30);
  }
}

TEST_CASE("a silent rank is given up after the peers' time, and its group ends without waiting for it") {
  const TemporaryFolder temp;
  std::promise<void> given_up;
  const auto failures = run_ranks({.size = 2, .peer_timeout = 1}, 2, [&](const Rendezvous& me) {
    auto group = join_through_file(temp.path() / "meeting", me);
    if (me.rank == 1) given_up.get_future().wait();
    const Failure failure = failure_of([&] { exchange_numbers(*group); });
    group.reset();
    if (me.rank == 0) given_up.set_value();
    throw Error(failure.code, failure.text);
  });
  for (const Failure& failure : failures) check_peer_failure(failure, {"does not answer"});
}

TEST_CASE("NCCL's reason is told, and a GPU without memory for NCCL ends this rank by its own exit code") {
  const Rendezvous me{.rank = 1, .size = 2};
  const c10::SourceLocation here{__func__, __FILE__, __LINE__};
  const auto failure_with = [&](const std::string& last_error) {
    const std::string words =
        "[/pytorch/c10d.cpp:3356] NCCL error in: /pytorch/NCCLUtils.cpp:94, unhandled cuda error, NCCL version 2.28.9\n"
        "ncclUnhandledCudaError: Call to CUDA function failed.\nLast error:\n" +
        last_error + "\nException raised from create at …";
    return failure_of([&] { among_peers(me, "connecting", [&] { throw c10::DistBackendError(here, words); }); });
  };
  const Failure link = failure_with("socketPollConnect: connect to 10.0.0.2<41000> returned No route to host");
  check_peer_failure(link, {"rank 1 of 2", "NCCL error in", "connect to 10.0.0.2<41000> returned No route to host;"});
  const Failure full = failure_with("Cuda failure 2 'out of memory'");
  CHECK(full.code == ExitCode::kMemory);
  CHECK_THAT(full.text, Catch::Contains("rank 1 of 2") && Catch::Contains("the GPU has not enough memory; ") &&
                            Catch::Contains("Cuda failure 2 'out of memory'"));
  const Failure plain = failure_of(
      [&] { among_peers(me, "connecting", [&] { throw c10::DistBackendError(here, "closed by peer\nmore"); }); });
  check_peer_failure(plain, {"connecting failed: closed by peer;"});
}

TEST_CASE("a fault of this rank's own GPU is not taken for another rank's") {
  const Rendezvous me{.rank = 1, .size = 2};
  const c10::SourceLocation here{__func__, __FILE__, __LINE__};
  CHECK_THROWS_AS(among_peers(me, "a reduction", [&] { throw c10::AcceleratorError(here, 214, "CUDA error"); }),
                  c10::AcceleratorError);
  CHECK_THROWS_AS(among_peers(me, "a reduction", [&] { throw c10::OutOfMemoryError(here, "CUDA out of memory"); }),
                  c10::OutOfMemoryError);
  CHECK(failure_of([&] { among_peers(me, "a reduction", [] { throw std::runtime_error("gone"); }); }).code ==
        ExitCode::kPeer);
}

}  // namespace rtdetr
