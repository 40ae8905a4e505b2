#include "train/process/short_spins.h"

#include <cstdlib>

#include <unistd.h>

#include "core/base/short_waits.h"

namespace rtdetr {

void restart_with_short_spins(char** argv) {
  if (environment_says_how_to_wait()) return;
  if (setenv("GOMP_SPINCOUNT", "5000", /*overwrite=*/0) != 0) return;
  execv("/proc/self/exe", argv);
}

}  // namespace rtdetr
