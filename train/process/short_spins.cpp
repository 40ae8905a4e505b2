#include "train/process/short_spins.h"

#include <cstdlib>

#include "core/base/short_waits.h"

namespace rtdetr {

void ask_for_short_spins() {
  if (!environment_says_how_to_wait()) setenv("GOMP_SPINCOUNT", "5000", /*overwrite=*/0);
}

}  // namespace rtdetr
