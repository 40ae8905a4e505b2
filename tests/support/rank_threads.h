#pragma once

#include <csignal>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/distributed/c10d_group.h"
#include "tests/support/temporary_folder.h"

/// A world whose ranks are threads of this process, but meet and talk as processes do.
namespace rtdetr::test {

/// How a rank ended.
struct Failure {
  std::string text;  ///< "" = none
  ExitCode code = ExitCode::kOk;
  double seconds = 0;
};

inline Failure failure_of(const std::function<void()>& work) {
  const Stopwatch watch;
  try {
    work();
  } catch (const Error& error) {
    return {error.what(), error.code(), watch.seconds()};
  }
  return {.seconds = watch.seconds()};
}

/// Runs work(me) as ranks 0 … `count`-1 of `at.size`, each in a thread. @return  by rank
template <class Work>
std::vector<Failure> run_ranks(const Rendezvous& at, std::int64_t count, Work&& work) {
  std::signal(SIGPIPE, SIG_IGN);  // as join_world() asks
  std::vector<Failure> failures(static_cast<std::size_t>(count));
  std::vector<std::jthread> threads;
  for (std::int64_t rank = 0; rank < count; ++rank) {
    threads.emplace_back([&, rank] {
      Rendezvous me = at;
      me.rank = rank;
      failures[static_cast<std::size_t>(rank)] = failure_of([&] { work(me); });
    });
  }
  threads.clear();
  return failures;
}

/// Runs work(group) as every rank of a world that met through a file. The first rank's error is thrown here.
template <class Work>
void run_world(std::int64_t size, Work&& work) {
  const TemporaryFolder temp;
  const auto failures = run_ranks({.size = size}, size, [&](const Rendezvous& me) {
    const auto group = join_through_file(temp.path() / "meeting", me);
    work(*group);
    group->barrier();
  });
  for (const Failure& failure : failures) {
    if (!failure.text.empty()) throw Error(failure.code, failure.text);
  }
}

}  // namespace rtdetr::test
