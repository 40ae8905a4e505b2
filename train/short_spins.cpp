#include "train/short_spins.h"

#include <cstdlib>

#include <unistd.h>

namespace rtdetr {

void restart_with_short_spins(char** argv) {
  for (const char* name : {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}) {
    if (std::getenv(name) != nullptr) return;
  }
  if (setenv("GOMP_SPINCOUNT", "5000", /*overwrite=*/0) != 0) return;
  execv("/proc/self/exe", argv);
}

}  // namespace rtdetr
