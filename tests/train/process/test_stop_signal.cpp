#include <csignal>

#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include "train/process/stop_signal.h"

namespace rtdetr {

TEST_CASE("the first signal only sets a flag, the second leaves at once") {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const StopSignals signals;
    if (StopSignals::requested()) _exit(1);
    raise(SIGTERM);
    if (!StopSignals::requested()) _exit(2);
    raise(SIGTERM);
    _exit(3);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 128 + SIGTERM);
}

TEST_CASE("a rank of a launcher takes any number of signals as one") {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const StopSignals signals(StopSignals::Second::kIsTheSame);
    for (const int signal : {SIGINT, SIGINT, SIGTERM, SIGUSR1}) raise(signal);
    _exit(StopSignals::requested() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

}  // namespace rtdetr
